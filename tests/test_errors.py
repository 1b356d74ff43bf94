"""Errors that a user can fix are of one family, and of the kind that Python's own would be."""

import pytest

from minisparse import errors


@pytest.mark.parametrize(
    ("kind", "usual"),
    [
        (errors.InputError, ValueError),
        (errors.FileError, OSError),
        (errors.BackendMissing, ImportError),
        (errors.DeviceMissing, RuntimeError),
        (errors.NonFiniteError, FloatingPointError),
        (errors.RunError, RuntimeError),
        (errors.BudgetSpent, RuntimeError),
    ],
)
def test_an_error_is_a_users_to_fix_and_of_its_usual_kind(kind, usual):
    error = kind("what is wrong; what to do")
    assert isinstance(error, errors.UserError)
    assert isinstance(error, usual)
    assert str(error) == "what is wrong; what to do"
