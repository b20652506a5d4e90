"""How the command line looks: answers, their sources, and tables.

On a terminal, colours and wrapping; into a pipe, the same words plain and one
record per line. Text from documents and models never reaches the terminal
with control characters in it.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from carrel.cli.exchange import Exchange
from carrel.cli.wire import Citation

READING_WIDTH = 100
_UNWRAPPED = 100_000
_MARK = re.compile(r"\[\d+\]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_WORDS = re.compile(r"\n|[^\S\n]+|\S+")


def console(*, stderr: bool = False) -> Console:
    """The terminal, at most 100 columns wide; or a pipe, in which nothing is wrapped."""
    stream = sys.stderr if stderr else sys.stdout
    wide = Console(file=stream, highlight=False, markup=False, emoji=False)
    width = min(wide.width, READING_WIDTH) if wide.is_terminal else _UNWRAPPED
    wide.width = width
    return wide


def printable(text: str) -> str:
    """*text* without the characters that could steer a terminal or reverse what is read."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def marked(text: str) -> Text:
    """*text* with its citation marks coloured."""
    styled = Text(printable(text))
    styled.highlight_regex(_MARK, "bold cyan")
    return styled


class AnswerWriter:
    """Writes an answer piece by piece; on a terminal, whole words, wrapped."""

    def __init__(self, to: Console) -> None:
        self._console = to
        self._pending = ""
        self._column = 0
        self._space = ""
        self._written = False

    def write(self, piece: str) -> None:
        """Show *piece*; on a terminal its last word may wait for the rest of it."""
        if not self._console.is_terminal:
            self._written = True
            self._console.file.write(printable(piece))
            self._console.file.flush()
            return
        words = _WORDS.findall(self._pending + printable(piece))
        self._pending = words.pop() if words and not words[-1].isspace() else ""
        for word in words:
            self._place(word)

    def finish(self) -> None:
        """Show what waited, and end the line, if anything was written."""
        self._place(self._pending)
        self._pending = ""
        if self._written:
            self._console.print()

    def _place(self, word: str) -> None:
        if word == "\n":
            self._print("\n")
            self._column, self._space = 0, ""
        elif word.isspace():
            self._space = word if self._column else ""
        elif word:
            width = cell_len(self._space) + cell_len(word)
            if self._column and self._column + width > self._console.width:
                self._print("\n")
                self._column, self._space = 0, ""
            self._print(self._space + word)
            self._column += cell_len(self._space) + cell_len(word)
            self._space = ""

    def _print(self, text: str) -> None:
        self._written = True
        self._console.print(marked(text), end="", soft_wrap=True)
        self._console.file.flush()


def show_sources(citations: Sequence[Citation], to: Console) -> None:
    """Print the cited sources in the order of their numbers, each with its quotes."""
    quotes: dict[int, dict[str, Citation]] = {}
    for citation in sorted(citations, key=lambda one: one.index):
        quotes.setdefault(citation.index, {}).setdefault(one_line(citation.quote), citation)
    for index, by_quote in quotes.items():
        mark = f"[{index}] "
        to.print(Text.assemble((mark, "bold cyan"), place(next(iter(by_quote.values())))))
        for quote in by_quote:
            indented = Padding(Text(f"“{quote}”", style="dim"), (0, 0, 0, len(mark)), expand=False)
            to.print(indented)


def place(citation: Citation, *, whole_path: bool = True) -> Text:
    """Where a quote stands: title, page, and its headings or only the last of them."""
    where = Text(one_line(citation.title), style="bold")
    if citation.page is not None:
        where.append(f" · page {citation.page}", style="not bold")
    if citation.heading and citation.heading != citation.title:
        path = citation.heading if whole_path else citation.heading.rsplit(" › ", 1)[-1]
        where.append(f" · {one_line(path)}", style="not bold")
    return where


def footer(exchange: Exchange) -> str:
    """Cache, times, tokens and cost on one line."""
    answer = exchange.answer
    cache = answer.cache.status
    if answer.cache.age_seconds is not None:
        cache += f", {answer.cache.age_seconds:.0f} s old"
    parts = [f"cache {cache}"]
    if exchange.first_token_ms is not None:
        parts.append(f"first token {milliseconds(exchange.first_token_ms)}")
    parts += [
        f"total {milliseconds(exchange.total_ms)}",
        f"{answer.usage.total_tokens} tokens",
        money(answer.usage.cost_usd),
        one_line(answer.model),
    ]
    return " · ".join(parts)


def show_exchange(exchange: Exchange, to: Console) -> None:
    """What follows an answer's text: its sources, and the footer."""
    to.print()
    if exchange.answer.citations:
        to.print(Text("Sources", style="bold"))
        show_sources(exchange.answer.citations, to)
        to.print()
    to.print(Text(footer(exchange), style="dim"))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], to: Console) -> None:
    """A table; into a pipe, tab-separated lines under one line of names."""
    if not to.is_terminal:
        for row in (columns, *rows):
            to.file.write("\t".join(one_line(cell) for cell in row) + "\n")
        return
    shown = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2))
    for number, column in enumerate(columns):
        shown.add_column(column, no_wrap=number == 0)  # the id is there to be copied
    for row in rows:
        shown.add_row(*(Text(one_line(cell)) for cell in row))
    to.print(shown)


def one_line(text: str) -> str:
    """*text* with every run of white space as one space."""
    return " ".join(printable(text).split())


def milliseconds(value: float) -> str:
    """A time as people read it: 4.2 ms, 312 ms, 3.1 s."""
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def money(usd: str | None) -> str:
    """A cost in US dollars, to the micro-dollar; None is said to be unknown."""
    if usd is None:
        return "cost unknown"
    return f"${usd.rstrip('0').rstrip('.') if '.' in usd else usd}"


def show_json(value: object) -> None:
    """*value* as indented JSON on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def show_line(value: object) -> None:
    """*value* as a line of JSON on stdout, at once."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def fields(values: Mapping[str, str], to: Console) -> None:
    """One thing's fields, each on a line; into a pipe, name and value with a tab between."""
    if not to.is_terminal:
        for name, value in values.items():
            to.file.write(f"{name}\t{one_line(value)}\n")
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in values.items():
        grid.add_row(Text(name, style="dim"), Text(one_line(value)))
    to.print(grid)
