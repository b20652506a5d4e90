"""Where the engine of a data folder listens; both sides compute it from the folder alone.

Only the folder's owner can reach the socket: it has mode 0600, in a directory
of mode 0700.
"""

import hashlib
import os
import stat
from pathlib import Path

SOCKET_NAME = "engine.sock"

# sun_path holds 104 bytes on macOS and 108 on Linux, a terminating zero included.
MAX_PATH_BYTES = 100


def socket_path(folder: Path) -> Path:
    """`folder/engine.sock`, or where that is too long for a socket a short path made from it."""
    path = folder.resolve() / SOCKET_NAME
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
    # Not tempfile.gettempdir(): that follows each side's own TMPDIR, and may be long itself.
    return Path("/tmp") / f"carrel-{name}" / SOCKET_NAME  # noqa: S108


def make_private(directory: Path) -> None:
    """Make *directory* exist, for its owner alone.

    Raises:
        PermissionError: someone else made it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_owner(directory)
    directory.chmod(0o700)


def check_owner(directory: Path) -> None:
    """Trust *directory* only if this user or root made it: anyone can make names in /tmp.

    Raises:
        PermissionError: it is another user's, or a link.
    """
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, os.geteuid()}:
        raise PermissionError(f"{directory} belongs to someone else")
