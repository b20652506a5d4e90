"""The two bars of an upload: files sent, and documents that are ready to be searched.

They are drawn on a terminal only, on stderr, and leave stdout to the result.
"""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from carrel.cli.uploading import Outcome
from carrel.cli.walk import Upload


class UploadProgress:
    """Shows how far an upload is while it is entered."""

    def __init__(self, to: Console, files: int, *, wait: bool = True) -> None:
        self._console = to
        self._chunks = 0
        self._sent_count = 0
        self._files = files
        self._bars = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=36, complete_style="cyan", finished_style="green"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            TimeElapsedColumn(),
            console=to,
            disable=not to.is_terminal,
            transient=True,
        )
        self._sent = self._bars.add_task("Uploaded", total=files, note="files")
        self._ready = self._bars.add_task("Ready", total=files, note="documents") if wait else None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def uploaded(self, upload: Upload) -> None:
        """One more file has arrived at the server."""
        self._sent_count += 1
        self._bars.update(self._sent, completed=self._sent_count)

    def settled(self, outcome: Outcome) -> None:
        """The server is done with one more document."""
        self._chunks += outcome.chunks
        if self._ready is not None:
            self._bars.update(self._ready, advance=1, note=f"documents · {self._chunks:,} chunks")

    def stopped(self) -> None:
        """Say what an interrupted upload leaves behind."""
        self._console.print(
            f"Stopped: {self._sent_count} of {self._files} files had been uploaded, and the"
            " server goes on with those. The same command continues."
        )
