"""``python -m minisparse.results``, as in version 0.1; the new name is ``python -m minisparse.lab results``."""

import sys

from .lab.__main__ import main
from .lab.rows import RESULTS, key, read, write

__all__ = ["RESULTS", "key", "main", "read", "write"]

if __name__ == "__main__":
    sys.exit(main(["results", *sys.argv[1:]]))
