"""What an upload came to: a count of each outcome, and the reason of each failure."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from carrel.cli.render import one_line
from carrel.cli.uploading import Outcome, Status

_STYLES: dict[Status, str] = {
    "ready": "green",
    "unchanged": "dim",
    "accepted": "cyan",
    "failed": "bold red",
}


def show_summary(outcomes: Sequence[Outcome], skipped: str, seconds: float, to: Console) -> None:
    """Print the counts, what was skipped, and why each failed document failed."""
    counts = Counter(outcome.status for outcome in outcomes)
    chunks = Counter[Status]()
    for outcome in outcomes:
        chunks[outcome.status] += outcome.chunks
    longest = max(map(len, counts))
    digits = len(str(max(counts.values(), default=0)))
    for status, style in _STYLES.items():
        if counts[status]:
            note = f"{chunks[status]:,} chunks" if chunks[status] else ""
            line = Text.assemble(f"{counts[status]:>{digits}}  ", (f"{status:<{longest}}", style))
            line.append(f"  {note}", style="dim")
            line.rstrip()
            to.print(line)
    for outcome in outcomes:
        if outcome.status == "failed":
            _show_failure(outcome, to)
    to.print()
    to.print(Text(f"{seconds:.1f} s" + (f" · skipped {skipped}" if skipped else ""), style="dim"))


def _show_failure(failed: Outcome, to: Console) -> None:
    name, reason = one_line(failed.upload.name), one_line(failed.reason)
    if not to.is_terminal:
        to.file.write(f"failed\t{name}\t{reason}\n")
        return
    to.print()
    to.print(Text.assemble(("✗ ", "bold red"), name))
    to.print(Padding(Text(reason), (0, 0, 0, 2), expand=False))
