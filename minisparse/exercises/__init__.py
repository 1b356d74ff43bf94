"""Exercises that mark themselves."""
