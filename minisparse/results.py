"""``python -m minisparse.results``, as in version 0.1; the new name is ``python -m minisparse.lab results``."""

import sys

from .lab.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["results", *sys.argv[1:]]))
