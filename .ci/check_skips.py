"""Fail if a test was skipped that .ci/skips.txt does not list with a reason."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

report, listed = sys.argv[1:]
reasons = {}
for line in Path(listed).read_text(encoding="utf-8").splitlines():
    if line.strip() and not line.startswith("#"):
        test, _, reason = line.partition(": ")
        if not reason.strip():
            sys.exit(f"{listed}: {test} has no reason")
        reasons[test.strip()] = reason.strip()
unlisted = []
for case in ElementTree.parse(report).iter("testcase"):
    skipped = case.find("skipped")
    if skipped is not None:
        name = f"{case.get('classname')}.{case.get('name')}"
        print(f"skipped {name}: {skipped.get('message')}")
        if not any(case.get("name").startswith(test) for test in reasons):
            unlisted.append(name)
if unlisted:
    sys.exit("skipped without a reason in .ci/skips.txt: " + ", ".join(unlisted))
