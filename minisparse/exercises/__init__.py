"""Exercises that mark themselves: write a line of the library, or a whole backward pass, and read what is wrong.

``python -m minisparse.exercises`` lists them. An answer always runs in a child process with limits.
"""

from .command import mark_file as mark_file
from .exercise import get as get
from .exercise import names as names
from .notebook import mark_cells as mark_cells
