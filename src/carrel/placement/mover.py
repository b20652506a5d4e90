"""Carries out a move: copy, catch up, compare, switch, clear.

Searches go on throughout. Uploads are accepted throughout; what they ask for
waits only from the last round of copying until nobody remembers the old home.
The tenant is served from the old home until the commit that names the new one,
and that commit is made only after both answered alike. Each step may be repeated:
a worker that takes over goes on from the move's status.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from carrel.database.engine import Database
from carrel.database.tables import tenants
from carrel.domain.errors import CarrelError
from carrel.embedding.embedder import Embedder
from carrel.jobs.queue import Job, JobQueue, hold, let_go
from carrel.jobs.worker import HopelessJob
from carrel.placement.comparing import compare, groups_in, questions_from
from carrel.placement.copying import Difference, difference, reconcile
from carrel.placement.homes import REMEMBERED_SECONDS, Homes
from carrel.placement.moves import Move, MoveStore
from carrel.placement.reembedding import Reembedding
from carrel.vectors.store import StoredVersion, TenantVectors

# Rounds of copying while uploads go on; what changes in the last is copied while they wait.
ROUNDS = 5
FEW_DOCUMENTS = 10
# A search that began in the old home is over by then: it has timed out otherwise.
LONGEST_SEARCH_SECONDS = 10.0
# What others do meanwhile may make a difference in vain; what is left after that is a fault.
TRIES = 3


class Mover:
    """Moves tenants. *embedders* by identity: chunks are embedded again on the way to another."""

    def __init__(
        self,
        database: Database,
        homes: Homes,
        moves: MoveStore,
        queue: JobQueue,
        embedders: Mapping[str, Embedder],
    ) -> None:
        self._database = database
        self._homes = homes
        self._moves = moves
        self._queue = queue
        self._embedders = embedders

    async def run(self, job: Job) -> None:
        """Bring the tenant's move to its end, from wherever it is.

        Raises:
            HopelessJob: the new home would answer differently, or the tenant is being erased.
            Unavailable: a service is down; try again later.
        """
        move = await self._moves.going(job.tenant_id)
        if move is not None and move.status != "clearing":
            await self._copy(move)
            await self._hold(job, move)
            await self._switch(job, move)
            move = await self._moves.going(job.tenant_id)
        if move is not None:
            await self._clear(job, move)
        await self._end(job, move, status="done")

    async def give_up(self, job: Job, reason: str) -> None:
        """End the move; the tenant is served from where it was."""
        move = await self._moves.going(job.tenant_id)
        if move is not None and move.status == "clearing":  # it has moved: go on clearing
            await self._queue.retry(job, after_seconds=LONGEST_SEARCH_SECONDS)
            return
        if move is not None:
            await self._homes.at(move.target, job.tenant_id).erase()
        await self._end(job, move, status="failed", error=reason)

    async def _copy(self, move: Move) -> None:
        """Copy what there is, until little is left to do; nothing waits for it."""
        await self._note(move, status="copying")
        source, target = await self._both(move)
        for _ in range(ROUNDS):
            todo = await difference(self._database, move.tenant_id, source, target)
            if len(todo.missing) <= FEW_DOCUMENTS:
                return
            await self._reconcile(move, source, target, todo)

    async def _hold(self, job: Job, move: Move) -> None:
        """Let the tenant's other jobs wait, and those under way end."""
        async with self._database.write() as connection:
            await hold(connection, job.tenant_id, job.id)
            await self._moves.note(connection, move, status="switching")
        await self._queue.alone(job)

    async def _switch(self, job: Job, move: Move) -> None:
        """Serve the tenant from the new home, once it holds the same and answers alike."""
        source, target = await self._both(move)
        copied = await self._catch_up(move, source, target)
        report = await self._compared(move, copied)
        left = await self._homes.find(move.tenant_id)
        async with self._database.write() as connection:
            await self._queue.renew(connection, job)
            await connection.execute(
                update(tenants)
                .where(tenants.c.id == move.tenant_id)
                .values(
                    isolation=move.isolation,
                    server=move.target.server,
                    collection=move.target.collection,
                    embedder=move.target.embedder,
                    corpus_version=tenants.c.corpus_version + 1,
                )
            )
            await self._moves.note(
                connection,
                move,
                status="clearing",
                progress=1.0,
                report=report,
                left_server=left.server,
                left_collection=left.collection,
                left_embedder=left.embedder,
            )

    async def _catch_up(
        self, move: Move, source: TenantVectors, target: TenantVectors
    ) -> list[StoredVersion]:
        """What both homes hold in the end, and nothing besides. Nothing else writes meanwhile."""
        for _ in range(TRIES):
            todo = await difference(self._database, move.tenant_id, source, target)
            if todo.incomplete:
                raise HopelessJob(
                    f"the document {todo.incomplete[0]!r} is not whole where it is now: upload it "
                    "again, then move the tenant"
                )
            if todo.none:
                return todo.live
            # What is deleted or half-made has a job that waits: it finds less to do.
            for document_id, version in todo.stale:
                await source.discard(document_id, version)
            await self._reconcile(move, source, target, todo)
        raise CarrelError("the new home does not keep what is copied to it")

    async def _compared(self, move: Move, stored: list[StoredVersion]) -> dict[str, Any]:
        """The report of a comparison without a difference.

        Homes of two embedders are not compared: that they answer differently is what the
        second is for.
        """
        groups = groups_in(stored)
        source = await self._homes.find(move.tenant_id)
        ours, theirs = (
            self._homes.at(home, move.tenant_id, groups) for home in (source, move.target)
        )
        counted = {
            "documents": len(stored),
            "chunks": sum(each.points for each in stored),
        }
        if source.embedder != move.target.embedder:
            return counted | {"embedded_by": move.target.embedder}
        outcome = await compare(ours, theirs, await questions_from(ours, stored))
        if outcome.differed:
            raise HopelessJob(
                f"{outcome.differed} of {outcome.searches} searches came out differently in the "
                "new home: the tenant stays where it is"
            )
        return counted | {
            "searches_compared": outcome.searches,
            "searches_that_differed": outcome.differed,
            "compared_by": "meaning and words" if outcome.by_words else "meaning",
        }

    async def _clear(self, job: Job, move: Move) -> None:
        """Empty the old home, once nobody searches it."""
        await asyncio.sleep(REMEMBERED_SECONDS)
        async with self._database.write() as connection:
            await let_go(connection, job.tenant_id, job.id)
        await asyncio.sleep(LONGEST_SEARCH_SECONDS)
        old = self._homes.at(move.left, move.tenant_id)
        await old.erase()
        if await old.inventory():
            raise CarrelError("the old home keeps what is erased from it")

    async def _end(self, job: Job, move: Move | None, **values: Any) -> None:
        async with self._database.write() as connection:
            await self._queue.finish(connection, job)
            await let_go(connection, job.tenant_id, job.id)
            if move is not None:
                await self._moves.note(connection, move, **values)

    async def _both(self, move: Move) -> tuple[TenantVectors, TenantVectors]:
        """The present home and the new one."""
        source = await self._homes.now(move.tenant_id)
        return source, self._homes.at(move.target, move.tenant_id)

    async def _reconcile(
        self, move: Move, source: TenantVectors, target: TenantVectors, todo: Difference
    ) -> None:
        kept = len(todo.live) - len(todo.missing)
        present = await self._homes.find(move.tenant_id)
        embed = None
        if present.embedder != move.target.embedder:
            embedder = self._embedders[move.target.embedder]
            embed = Reembedding(self._database, move.tenant_id, embedder)
        async for done in reconcile(source, target, todo, embed):
            await self._note(move, progress=(kept + done) / len(todo.live))

    async def _note(self, move: Move, **values: Any) -> None:
        """Record how far the move is.

        Raises:
            HopelessJob: the tenant is being erased.
        """
        query = select(tenants.c.status).where(tenants.c.id == move.tenant_id)
        async with self._database.write() as connection:
            if (await connection.execute(query)).scalar() == "erasing":
                raise HopelessJob("the tenant is being erased")
            await self._moves.note(connection, move, **values)
