"""Errors that are a user's to mend: one sentence that names the thing and the fix; chapters print no traceback."""


class UserError(Exception):
    """Base of every error a user can mend; chapters print it as one line and end with exit code 2."""


class InputError(UserError, ValueError):
    """A value, shape or option that does not fit."""


class FileError(UserError, OSError):
    """A file or folder that cannot be read, written or trusted."""


class BackendMissing(UserError, ImportError):
    """The array library asked for is not installed."""


class DeviceMissing(UserError, RuntimeError):
    """The array library is installed but finds no device to run on."""


class NonFiniteError(UserError, FloatingPointError):
    """A loss became nan or inf."""


class RunError(UserError, RuntimeError):
    """A cell of a sweep, or a process that runs cells, that failed."""
