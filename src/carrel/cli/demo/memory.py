"""How much memory a process and all its descendants take, as the kernel accounts for it.

PSS counts a page that n processes share as 1/n in each, so the sum over a
process tree is what the machine would get back.
"""

from pathlib import Path

PROC = Path("/proc")


def tree_bytes(pid: int, proc: Path = PROC) -> tuple[int, int] | None:
    """Bytes (PSS) and number of processes of the tree under *pid*; None where /proc can't say."""
    sizes = [
        size for each in _tree(pid, proc) if (size := _pss_bytes(proc / str(each))) is not None
    ]
    return (sum(sizes), len(sizes)) if sizes else None


def _tree(pid: int, proc: Path) -> set[int]:
    parents = {
        int(entry.name): parent
        for entry in proc.glob("[0-9]*")
        if (parent := _parent(entry)) is not None
    }
    tree, grown = {pid}, True
    while grown:
        children = {child for child, parent in parents.items() if parent in tree} - tree
        tree |= children
        grown = bool(children)
    return tree


def _parent(entry: Path) -> int | None:
    try:
        # proc(5): the name stands in parentheses and may hold any character, ")" among them.
        after_name = (entry / "stat").read_text(errors="replace").rpartition(")")[2]
        return int(after_name.split()[1])
    except (OSError, IndexError, ValueError):  # it ended meanwhile
        return None


def _pss_bytes(entry: Path) -> int | None:
    try:
        for line in (entry / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
