"""Tables as lines that stand alone: each value beside the name of its column.

`- City: Oslo; Hotel: 210`. A Markdown table would lose its header wherever a
chunk begins below it. A row that names its columns can be found, cited and
understood by itself, at the price of some more tokens.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

_DELIMITERS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"[^"]*"')
_NUMBER = re.compile(r"[-+]?[\d.,\s]*\d%?")


def csv_text(text: str) -> str:
    """The rows of a CSV file, delimited by comma, semicolon, tab or bar."""
    # 128 KiB by default, for the whole process; the text is in memory already.
    csv.field_size_limit(max(len(text), csv.field_size_limit()))
    first = _QUOTED.sub("", text.lstrip("\n").partition("\n")[0])
    delimiter = max(_DELIMITERS, key=first.count)
    rows = csv.reader(StringIO(text), delimiter=delimiter, skipinitialspace=True)
    return "\n".join(rows_as_lines(rows))


def rows_as_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A list item for each row that is not blank.

    The first row with two values or more names the columns, unless all of them are
    numbers. Rows above it, and tables of one column, come as they are.
    """
    header: list[str] | None = None
    pending = ""  # the header is a line of its own only where no row follows
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        values = [cell for cell in cells if cell]
        if not values:
            continue
        if header is None and len(values) > 1:
            header = [] if all(map(_NUMBER.fullmatch, values)) else cells
            pending = f"- {'; '.join(values)}"
            if header:
                continue
        pending = ""
        yield f"- {_named(header or [], cells)}"
    if pending:
        yield pending


def _named(header: list[str], cells: list[str]) -> str:
    names = [*header, *[""] * (len(cells) - len(header))]
    return "; ".join(
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names, cells, strict=False)
        if cell
    )
