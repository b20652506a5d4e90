"""An edit that removes one of the predicates that keep tenants apart.

An edit is made in one place of one file: the text `old`, which occurs once between `within` and the
next definition. One that fits nowhere is an error, so no list of edits outlives the code.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "carrel"
_DEFINITION = re.compile(r"\n *(?:async def|def|class|@)\b|\n@")


class Misfit(Exception):
    """The edit no longer fits the source."""


@dataclass(frozen=True)
class Mutation:
    """One predicate removed; *path* is below `src/carrel`."""

    predicate: str
    path: str
    within: str
    old: str
    new: str = ""

    def apply(self, text: str) -> str:
        """*text* without the predicate.

        Raises:
            Misfit: the place is not there, or there are several.
        """
        if text.count(self.within) != 1:
            raise Misfit(f"{self.path}: {self.within!r} occurs {text.count(self.within)} times")
        start = text.index(self.within)
        following = _DEFINITION.search(text, start + len(self.within))
        end = following.start() if following else len(text)
        section = text[start:end]
        if section.count(self.old) != 1:
            raise Misfit(
                f"{self.path}: {self.old!r} occurs {section.count(self.old)} times "
                f"after {self.within!r}"
            )
        return text[:start] + section.replace(self.old, self.new) + text[end:]
