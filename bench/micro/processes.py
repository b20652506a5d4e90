"""The processes of one server, as the kernel accounts for them (proc(5); Linux only)."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

NAMES = {
    "carrel": "supervisor",
    "carrel.serving.api": "API",
    "carrel.serving.worker": "worker",
    "carrel.vectors.edge.engine": "vector engine",
    "carrel.vectors.edge.optimise": "optimiser",
    "carrel.ingestion.parse.child": "parser",
}
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Process:
    """A process: memory is PSS, so shared pages are counted once over all.

    `cpu_seconds` includes those of its ended children.
    """

    pid: int
    name: str
    pss_bytes: int
    cpu_seconds: float


def tree(pid: int) -> list[Process]:
    """The process *pid* and all that it started, parents first."""
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        each = waiting.pop(0)
        try:
            found.append(Process(each, _name(each), _pss_bytes(each), _cpu_seconds(each)))
            waiting += _children(each)
        except OSError:  # it ended meanwhile
            continue
    return found


def age_seconds(pid: int) -> float:
    """How long ago the process was started; 0 where it has ended."""
    try:
        started = int(_stat(pid)[19]) / _TICKS
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def cpu_by_name(processes: list[Process]) -> dict[str, float]:
    """CPU seconds by name; a parser that has ended counts as the worker's."""
    seconds: dict[str, float] = {}
    for process in processes:
        seconds[process.name] = seconds.get(process.name, 0.0) + process.cpu_seconds
    return seconds


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    if "-m" not in words[:-1]:
        return Path(words[0]).name
    module = words[words.index("-m") + 1]
    return NAMES.get(module, module)


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _cpu_seconds(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[11:15]) / _TICKS  # from utime, field 14


def _stat(pid: int) -> list[str]:
    """What follows the name, which stands in parentheses and may hold any character."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]
