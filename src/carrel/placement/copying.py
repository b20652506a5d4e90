"""Copying a tenant's points from one home to another, as often as it takes.

There is nothing to remember between two rounds, so nothing is lost with a
process: what is to be done is the difference between what the metadata database
says is live, and what the target holds.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from carrel.database.access import is_there
from carrel.database.engine import Database
from carrel.database.tables import documents, versions
from carrel.domain.ids import DocumentId, TenantId
from carrel.vectors.schema import groups_of, is_aside
from carrel.vectors.store import Point, StoredVersion, TenantVectors

SLICE_POINTS = 256

Key = tuple[DocumentId, int]
Embed = Callable[[Sequence[Point]], Awaitable[Sequence[Point]]]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a target differs from what is live in the source.

    `missing` and `surplus` are the target's; `stale` is what the source holds and nobody is
    to see; `incomplete` are live documents that the source has not all chunks of.
    """

    live: list[StoredVersion]
    missing: list[StoredVersion]
    surplus: list[Key]
    stale: list[Key]
    incomplete: list[DocumentId]

    @property
    def none(self) -> bool:
        return not (self.missing or self.surplus or self.stale)


async def difference(
    database: Database, tenant_id: TenantId, source: TenantVectors, target: TenantVectors
) -> Difference:
    """How *target* differs from those of the source's points that are live."""
    chunks = await live_versions(database, tenant_id)
    there, copied = [
        # What lies aside goes with the old home: it would take longer to copy than to make anew.
        {_key(each): each for each in await home.inventory() if not is_aside(each.document_id)}
        for home in (source, target)
    ]
    wanted = {key: there[key] for key in chunks if key in there}
    return Difference(
        live=list(wanted.values()),
        missing=[each for key, each in wanted.items() if copied.get(key) != each],
        surplus=[key for key in copied if key not in wanted],
        stale=[key for key in there if key not in chunks],
        incomplete=[
            document_id
            for (document_id, version), expected in chunks.items()
            if expected
            and ((stored := there.get((document_id, version))) is None or stored.points != expected)
        ],
    )


async def reconcile(
    source: TenantVectors,
    target: TenantVectors,
    todo: Difference,
    embed: Embed | None = None,
) -> AsyncGenerator[int]:
    """Make *target* right, one document after another; yields how many are done.

    *embed* gives the points that are copied other vectors.
    """
    for document_id, version in todo.surplus:
        await target.discard(document_id, version)
    for done, each in enumerate(todo.missing, start=1):
        await target.discard(each.document_id, each.version)
        await _copy(source, target, each, embed)
        yield done


async def _copy(
    source: TenantVectors, target: TenantVectors, stored: StoredVersion, embed: Embed | None
) -> None:
    """Copy one version. One that is changed or goes meanwhile is the next round's to mend."""
    start = 0
    found = 0
    while found < stored.points:
        points = await source.read(
            stored.document_id, stored.version, range(start, start + SLICE_POINTS)
        )
        if not points:
            return
        await target.stage(await embed(points) if embed else points)
        found += len(points)
        start += SLICE_POINTS
    if len(stored.audiences) == 1:
        [audience] = stored.audiences
        if audience:
            await target.publish(stored.document_id, stored.version, groups_of(audience))


async def live_versions(database: Database, tenant_id: TenantId) -> dict[Key, int]:
    """The versions that searches may show, with their numbers of chunks."""
    newest = documents.join(
        versions,
        (versions.c.tenant_id == documents.c.tenant_id)
        & (versions.c.document_id == documents.c.id)
        & (versions.c.version == documents.c.live_version),
    )
    query = (
        select(documents.c.id, versions.c.version, versions.c.chunks)
        .select_from(newest)
        .where(documents.c.tenant_id == tenant_id, is_there)
    )
    return {(row.id, row.version): row.chunks for row in await database.fetch(query)}


def _key(stored: StoredVersion) -> Key:
    return stored.document_id, stored.version
