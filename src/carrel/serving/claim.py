"""What one server claims for itself: its data folder, and its port."""

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO


class AlreadyServed(Exception):
    """Another server has the folder or the port; the message says what to do."""


def claim_folder(folder: Path) -> TextIO:
    """Lock *folder* for this process; the lock goes when the returned file is closed.

    Raises:
        AlreadyServed: another `carrel serve` has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "serve.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise AlreadyServed(
            f"another `carrel serve` (process {owner}) uses {folder}. Stop it, or set "
            "CARREL_DATA_DIR to another folder."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that children inherit.

    Raises:
        AlreadyServed: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise AlreadyServed(
            f"cannot listen on {host}:{port} ({error.strerror}). Choose another with --port."
        ) from None
    listening.listen(2048)
    listening.set_inheritable(True)
    return listening
