"""Print the commands of the README's first indented block, one a line, without their comments."""

import re
from pathlib import Path

lines = Path("README.md").read_text(encoding="utf-8").splitlines()
first = next(i for i, line in enumerate(lines) if line.startswith("    "))
for line in lines[first:]:
    if not line.startswith("    "):
        break
    print(re.sub(r"\s{2,}#.*$", "", line).strip())
