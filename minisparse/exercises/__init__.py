"""Every tagged line as an exercise, and its marker."""
