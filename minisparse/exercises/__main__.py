"""``python -m minisparse.exercises``: the list, and every command on it."""

import sys

from minisparse.exercises.command import main

sys.exit(main())
