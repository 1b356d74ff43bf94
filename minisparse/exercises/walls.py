"""What keeps an answer in its place: limits of the system where it has them, and a hook of Python's everywhere.

On Linux the kernel (Landlock, 5.13 and later) lets the process read the Python installation and this package alone, and
write nothing; from 6.7 on it opens no TCP connection, and where user namespaces are allowed it has no network at all.
Elsewhere only Python's audit hook refuses these things: enough for mistakes and for rough attempts, no wall against
somebody who is set on breaking out. Nothing anywhere stops an answer from forging its own mark.

A process may be given more room, by name: folders that it reads, and one in which it writes.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable
from typing import Any

MEMORY = 2 << 30
"""Bytes that an answer may take beside what the library has taken."""
LARGEST = 64 << 20
"""Bytes of a file, where one may be written."""

_COMPUTES = "an answer only computes."
_REFUSED = {
    "socket": "it uses the network",
    "subprocess": "it starts another process",
    "ctypes": "it calls code outside Python",
    "shutil": "it changes files",
    "resource": "it changes the limits under which it runs",
    **dict.fromkeys(
        [
            f"os.{name}"
            for name in ["system", "exec", "fork", "forkpty", "posix_spawn", "spawn", "startfile", "kill", "killpg"]
        ],
        "it starts or ends another process",
    ),
    **dict.fromkeys(
        [
            f"os.{name}"
            for name in [
                "remove",
                "rename",
                "rmdir",
                "mkdir",
                "chmod",
                "chown",
                "link",
                "symlink",
                "truncate",
                "utime",
                "chdir",
            ]
        ],
        "it changes files",
    ),
}
"""By audit event, or its family: what an answer is told."""


_PLACED = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.utime", "os.truncate")
"""Changes of files that are allowed in a folder in which a process may write."""


def readable() -> list[str]:
    """Return the folders that a process needs to run Python, NumPy and this package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folders = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), package, *_site_packages()}
    system = [path for path in ("/usr/lib", "/usr/lib64", "/lib", "/lib64") if os.path.isdir(path)]
    return sorted({os.path.realpath(folder) for folder in [*folders, *system] if os.path.isdir(folder)})


def _site_packages() -> list[str]:
    return [path for path in sys.path if os.path.basename(path.rstrip("/\\")) in ("site-packages", "dist-packages")]


def raise_walls(refusal: type[BaseException], reads: Iterable[str] = (), writes: str = "") -> tuple[str, ...]:
    """Limit this process for good.

    Parameters
    ----------
    refusal : type
        What the audit hook raises, with a sentence.
    reads : iterable of str
        Folders that it may read beside `readable`.
    writes : str
        The one folder in which it may read and write; "" if it writes nothing.

    Returns
    -------
    tuple of str
        What the system itself enforces here: "memory", "files", "tcp", "network".
    """
    folders = [*readable(), *map(os.path.realpath, reads)]
    own = os.path.realpath(writes) if writes else ""
    enforced = ["network"] if _no_network() else []
    enforced += ["memory"] if _limit(LARGEST if own else 1 << 20) else []
    enforced += _landlock(folders, own)
    sys.addaudithook(_hook(refusal, folders, own))
    return tuple(enforced)


def _limit(largest: int) -> bool:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return True
    return False


_NEW_USER, _NEW_NET, _NO_NEW_PRIVILEGES = 0x10000000, 0x40000000, 38
_CREATE, _ADD, _RESTRICT, _BENEATH = 444, 445, 446, 1
_READ = 1 << 2 | 1 << 3
"""Landlock's rights to read a file and to list a folder."""
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights over files each version of Landlock knows."""


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _no_network() -> bool:
    """Move into a network of one's own, without any device."""
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        return _libc().unshare(_NEW_USER | _NEW_NET) == 0
    return False


def _landlock(folders: list[str], own: str = "") -> list[str]:
    """Have the kernel refuse every file but those beneath these folders, to read, and every TCP connection.

    Beneath a process's own folder, if it has one, it may do everything.
    """
    if not sys.platform.startswith("linux"):
        return []
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        libc = _libc()
        version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), 1)
        if version < 1:
            return []
        files, tcp, scope = (1 << _RIGHTS.get(version, 16)) - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0
        rules = struct.pack("QQQ", files, tcp, scope)[: 8 if version < 4 else 16 if version < 6 else 24]
        handle = libc.syscall(_CREATE, rules, ctypes.c_size_t(len(rules)), 0)
        for folder in [*folders, os.devnull, *([own] if own else [])]:
            inside = os.open(folder, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
            rights = files if folder == own else _READ if os.path.isdir(folder) else 1 << 1 | 1 << 2
            rule = struct.pack("=Qi", rights, inside)
            libc.syscall(_ADD, handle, _BENEATH, rule, 0)
            os.close(inside)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        done = libc.syscall(_RESTRICT, handle, 0) == 0
        os.close(handle)
        return ["files", *(["tcp"] if tcp else [])] if done else []
    return []


def _hook(refusal: type[BaseException], folders: list[str], own: str) -> Callable[[str, tuple], None]:
    ours = (own + os.sep,) if own else ()
    beneath = (*(folder + os.sep for folder in [*folders, os.path.realpath(os.devnull)]), *ours)

    def is_ours(*paths: Any) -> bool:
        return bool(ours) and all((os.path.realpath(os.fsdecode(path)) + os.sep).startswith(ours) for path in paths)

    def hook(event: str, given: tuple) -> None:
        if event in ("open", "os.listdir", "os.scandir"):
            path = given[0]
            if isinstance(path, int):
                return
            name = os.fsdecode(path or ".")
            if event == "open" and _writes(*given[1:3]) and not is_ours(name):
                raise refusal(f"it writes the file {os.path.basename(name)}; {_COMPUTES}")
            if not (os.path.realpath(name) + os.sep).startswith(beneath):
                raise refusal(f"it reads {os.path.basename(name)}; {_COMPUTES}")
        if event == "socket.gethostname":  # no connection; a run signs its folder with it
            return
        if event in _PLACED and is_ours(*(path for path in given if isinstance(path, (str, bytes)))):
            return
        told = _REFUSED.get(event) or _REFUSED.get(event.partition(".")[0])
        if told:
            raise refusal(f"{told}; {_COMPUTES}")

    return hook


def _writes(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
