"""What callers should see of a tenant's documents, as far as can be known from what was asked for.

A document's groups count from its upload on. The text of a version is published to the groups that
it was uploaded with, so while another version is on its way, a caller needs both.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

Groups = tuple[str, ...]
Documents = dict[str, "State"]


@dataclass(frozen=True)
class State:
    """A document that exists: its groups, and the texts that searches may show, by their numbers.

    A text has the groups that it was uploaded with. `settled`: the newest is what searches show.
    """

    groups: Groups
    texts: Mapping[int, Groups]
    settled: bool

    @classmethod
    def replaced(cls, earlier: "State | None", number: int, groups: Groups) -> "State":
        """The document once the text *number* was accepted."""
        texts = {} if earlier is None else earlier.texts
        return cls(groups, {**texts, number: groups}, settled=False)

    def as_ready(self) -> "State":
        """The document once its newest text is searchable."""
        newest = max(self.texts)
        return State(self.groups, {newest: self.texts[newest]}, settled=True)

    def is_for(self, sight: Collection[str]) -> bool:
        """Whether a caller of these groups may know of it."""
        return _may_see(self.groups, sight)

    def numbers(self, sight: Collection[str]) -> set[int]:
        """The texts that a caller of these groups may be shown."""
        if not self.is_for(sight):
            return set()
        return {number for number, groups in self.texts.items() if _may_see(groups, sight)}


def numbers_for(documents: Iterable[State], sight: Collection[str]) -> set[int]:
    """The texts of all *documents* that a caller of these groups may be shown."""
    return {number for state in documents for number in state.numbers(sight)}


def _may_see(groups: Collection[str], sight: Collection[str]) -> bool:
    return not groups or not set(groups).isdisjoint(sight)
