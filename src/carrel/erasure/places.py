"""Where something of a tenant may lie: each place can be emptied, and looked through.

The sweep trusts no deletion: it looks at what is stored, in every place that
could hold something, and counts it. A new kind of storage needs a place here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from carrel.caching.store import AnswerStore
from carrel.domain.ids import TenantId
from carrel.ingestion.originals.store import Originals
from carrel.placement.homes import Home, Homes


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom to erase, with every home that may hold points of theirs."""

    tenant_id: TenantId
    homes: Sequence[Home]


class Place(Protocol):
    """A kind of storage."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    async def clear(self, subject: Subject) -> None:
        """Remove everything of the tenant; after a crash half-way, again."""
        ...

    async def left(self, subject: Subject) -> int:
        """How many things of the tenant are there."""
        ...


class Points:
    """The vector store: the tenant's home, and every home that it left or was on its way to."""

    name = "vectors"

    def __init__(self, homes: Homes) -> None:
        self._homes = homes

    async def clear(self, subject: Subject) -> None:
        for home in subject.homes:
            await self._homes.at(home, subject.tenant_id).erase()

    async def left(self, subject: Subject) -> int:
        found = 0
        for home in subject.homes:
            stored = await self._homes.at(home, subject.tenant_id).inventory()
            found += sum(each.points for each in stored)
        return found


class Answers:
    """The answers that are kept in Redis; those in a process's memory went with the request."""

    name = "answers"

    def __init__(self, answers: AnswerStore) -> None:
        self._answers = answers

    async def clear(self, subject: Subject) -> None:
        await self._answers.clear(subject.tenant_id)

    async def left(self, subject: Subject) -> int:
        return await self._answers.count(subject.tenant_id)


class Files:
    """The tenant's folder of originals."""

    name = "originals"

    def __init__(self, originals: Originals) -> None:
        self._originals = originals

    async def clear(self, subject: Subject) -> None:
        await self._originals.remove_all(subject.tenant_id)

    async def left(self, subject: Subject) -> int:
        return len(await self._originals.names(subject.tenant_id))
