"""The metrics of all processes of one server, as one: in files that each process maps.

A process has a name that no other process bears while it lives. Whoever bears it next
goes on with its files, so the counters of a process that was killed are kept and rise
on. What is so only while a process lives (gauges) goes with it: see `forget`.
"""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:  # the supervisor never loads it
    from prometheus_client import CollectorRegistry

log = logging.getLogger(__name__)

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
_NAME = "PROMETHEUS_PROCESS_NAME"
_LIVE = ("livesum", "livemin", "livemax", "livemostrecent")
# A mapped file that has to grow on a full disk kills the process that writes to it (SIGBUS).
# So each has its room before it is mapped: for three thousand series, a histogram having twenty.
_BYTES = {"counter": 262_144, "histogram": 1_048_576} | {f"gauge_{m}": 65_536 for m in _LIVE}


def prepare(folder: Path) -> None:
    """Begin anew in *folder*: no process has its metrics there."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.db"):
        path.unlink()


def environment(folder: Path, name: str) -> Mapping[str, str]:
    """What a process is started with that bears *name*."""
    return {_FOLDER: str(folder), _NAME: name}


def forget(folder: Path, name: str) -> None:
    """Forget the gauges of a process that has ended."""
    for mode in _LIVE:
        (folder / f"gauge_{mode}_{name}.db").unlink(missing_ok=True)


def join() -> None:
    """Keep this process's metrics where its environment says; before any metric is made.

    Without room on the disk for them they are this process's alone.
    """
    folder, name = os.environ.get(_FOLDER), os.environ.pop(_NAME, None)
    from prometheus_client import values

    try:
        if folder and name:  # a process that ours starts has no name of its own
            for kind, size in _BYTES.items():
                _reserve(Path(folder, f"{kind}_{name}.db"), size)
            values.ValueClass = _quick(cast(Any, values).MultiProcessValue(lambda: name))
            return
    except OSError as error:
        log.warning("the metrics of this process are its own: %s", error.strerror)
    os.environ.pop(_FOLDER, None)
    values.ValueClass = values.MutexValue


def _quick(value: Any) -> Any:
    """*value*, the library's class of a number in a mapped file, without what a fork would need.

    Our processes never fork, and those that count are told apart by name: what the library
    looks up for each step is looked up once.
    """
    lock = threading.Lock()

    class Value(value):
        def inc(self: Any, amount: float) -> None:
            with lock:
                self._value += amount
                self._file.write_value(self._key, self._value, 0.0)

    return Value


def registry() -> "CollectorRegistry":
    """The metrics of all processes, where they are kept together; else those of this one."""
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if _FOLDER not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)
    return together


def _reserve(path: Path, size: int) -> None:
    if path.exists():
        return
    unfinished = path.with_suffix(".new")  # no reader takes it for one of the files
    with unfinished.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:  # macOS
            file.truncate(size)
    unfinished.rename(path)
