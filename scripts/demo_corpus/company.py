"""The two fictional companies: names, colours and the date on their documents."""

from dataclasses import dataclass
from datetime import datetime

# One fixed moment for all file metadata keeps reruns identical. It has no time zone because
# the formats' writers and zip archives take naive times.
WRITTEN = datetime(2026, 10, 1, 9, 0, 0)  # noqa: DTZ001


@dataclass(frozen=True, slots=True)
class Company:
    """`accent` and `tint` are RGB in hexadecimal: headings, and the shade of alternate rows."""

    slug: str
    name: str
    accent: str
    tint: str


COMPANIES = (
    Company("acme", "Acme Labelworks, Inc.", accent="B3401E", tint="FAF1ED"),
    Company("globex", "Globex Freight Systems B.V.", accent="0F5E73", tint="EDF4F6"),
)
