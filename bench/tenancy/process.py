"""What the operating system says of this process. Linux only."""

from pathlib import Path


def memory() -> dict[str, float]:
    """Resident megabytes: `own` is nobody else's; `files` can be given up and read again."""
    status = _status()
    own = status["RssAnon"] / 1024
    files = (status["RssFile"] + status["RssShmem"]) / 1024
    return {"own": own, "files": files}


def handles() -> dict[str, int]:
    """What the kernel limits: open files, threads, and mapped regions."""
    this = Path("/proc/self")
    return {
        "descriptors": sum(1 for _ in (this / "fd").iterdir()),
        "threads": _status()["Threads"],
        "mappings": len((this / "maps").read_bytes().splitlines()),
    }


def _status() -> dict[str, int]:
    fields: dict[str, int] = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        first = value.split()[0] if value.split() else ""
        if first.isdecimal():
            fields[name] = int(first)
    return fields
