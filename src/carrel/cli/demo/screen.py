"""What the demo looks like: its steps as they go, and two tenants' answers side by side.

On a terminal, answers grow in panels as they stream; into a pipe, the same
words are plain lines, printed when they are complete.
"""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from carrel.cli.exchange import Exchange
from carrel.cli.failure import Failure
from carrel.cli.render import marked, milliseconds, money, place, printable
from carrel.cli.wire import Citation

REFRESH_SECONDS = 0.04
SIDE_BY_SIDE_COLUMNS = 80
_COLOURS = ("cyan", "magenta")


@dataclass
class Note:
    """What a step found, shown beside its name when it is done."""

    text: str = ""


class Screen:
    """The demo's output."""

    def __init__(self, to: Console) -> None:
        self.console = to

    @contextmanager
    def step(self, name: str, *, spinner: bool = True) -> Generator[Note]:
        """A step: ✓ with its note when it ends, ✗ when it raises (which passes on)."""
        note = Note()
        try:
            if spinner and self.console.is_terminal:
                with self.console.status(Text(name)):
                    yield note
            else:
                yield note
        except BaseException as error:
            self.console.print(Text.assemble(("✗ ", "bold red"), name))
            if isinstance(error, Failure):
                raise Failure(f"The demo broke at “{name}”: {error}") from error
            raise
        found = (f"  {note.text}", "dim") if note.text else ""
        self.console.print(Text.assemble(("✓ ", "bold green"), name, found))

    def say(self, text: str = "") -> None:
        """A line, never wrapped, so that it can be copied."""
        self.console.print(Text(text), soft_wrap=True)


@dataclass
class _Side:
    """One tenant's half of a board."""

    colour: str
    text: str = ""
    exchange: Exchange | None = None
    fault: str | None = None
    sources: list[Text] = field(default_factory=list[Text])


class Board:
    """One question and the tenants' answers, drawn while it is entered."""

    def __init__(self, to: Console, heading: str, question: str, names: Sequence[str]) -> None:
        self._console = to
        self._sides = {
            name: _Side(_COLOURS[number % len(_COLOURS)]) for number, name in enumerate(names)
        }
        self._heading = Text.assemble((f"{heading}  ", "dim"), (question, "bold"))
        self._live = Live(console=to, auto_refresh=False) if to.is_terminal else None
        self._drawing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._console.print()
        self._console.print(self._heading)
        if self._live:
            self._live.start()
            self._drawing = asyncio.create_task(self._draw(self._live))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._drawing:
            self._drawing.cancel()
            await asyncio.wait([self._drawing])
        if self._live:
            self._live.update(self._panels(), refresh=True)
            self._live.stop()
        else:
            self._print_plain()

    def add(self, name: str, text: str) -> None:
        """The next piece of *name*'s answer."""
        self._sides[name].text += printable(text)

    def finish(self, name: str, exchange: Exchange, fault: str | None) -> None:
        """*name*'s answer is complete; *fault* says what is wrong with it."""
        side = self._sides[name]
        side.exchange, side.fault = exchange, fault
        side.sources = source_lines(exchange.answer.citations)

    async def _draw(self, live: Live) -> None:
        # Now and then, rather than with each piece: drawing takes longer than a piece does,
        # and would be counted in the time to the other tenant's first token.
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            live.update(self._panels(), refresh=True)

    def _panels(self) -> RenderableType:
        beside = self._console.width >= SIDE_BY_SIDE_COLUMNS
        if not beside:
            return Group(*(_panel(name, side) for name, side in self._sides.items()))
        width = self._console.width // len(self._sides)
        options = self._console.options.update_width(width)
        panels = [_panel(name, side) for name, side in self._sides.items()]
        # Panels of one height: the shorter answer's frame goes down as far as the longer's.
        height = max(len(self._console.render_lines(panel, options)) for panel in panels)
        row = Table.grid()
        for panel in panels:
            panel.height = height
            row.add_column(width=width)
        row.add_row(*panels)
        return row

    def _print_plain(self) -> None:
        for name, side in self._sides.items():
            self._console.print(f"  {name}: " + side.text.replace("\n", "\n    "))
            for source in side.sources:
                self._console.print(Text("    ") + source)
            if side.exchange:
                self._console.print(f"    {_figures(side.exchange)}")
            if side.fault:
                self._console.print(f"    WRONG: {side.fault}")


def source_lines(citations: Sequence[Citation]) -> list[Text]:
    """The cited sources in the order of their numbers, each once."""
    first: Mapping[int, Citation] = {citation.index: citation for citation in reversed(citations)}
    return [
        Text.assemble((f"[{index}] ", "bold cyan"), place(first[index], whole_path=False))
        for index in sorted(first)
    ]


def _panel(name: str, side: _Side) -> Panel:
    body: list[RenderableType] = [marked(side.text)]
    if side.sources:
        body += [Text(), *side.sources]
    if side.fault:
        body += [Text(), Text(f"✗ {side.fault}", style="bold red")]
    title = Text.assemble((name, f"bold {side.colour}"))
    if side.exchange:
        title.append(" ✗" if side.fault else " ✓", style="red" if side.fault else "green")
    return Panel(
        Group(*body),
        title=title,
        title_align="left",
        subtitle=Text(_figures(side.exchange), style="default dim") if side.exchange else None,
        subtitle_align="right",
        border_style="red" if side.fault else side.colour,
        padding=(0, 1),
    )


def _figures(exchange: Exchange) -> str:
    parts = [f"total {milliseconds(exchange.total_ms)}", money(exchange.answer.usage.cost_usd)]
    if exchange.first_token_ms is not None:
        parts.insert(0, f"first token {milliseconds(exchange.first_token_ms)}")
    return " · ".join(parts)
