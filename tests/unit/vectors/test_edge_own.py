"""Collections of tenants' own in the engine: which are open, and what a crash leaves of them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.contract.own_collections import new_collection
from tests.contract.sample_points import DIMENSIONS, EAST, point

from carrel.domain.ids import TenantId
from carrel.vectors import schema
from carrel.vectors.edge import compact, wire
from carrel.vectors.edge.compact import Compaction
from carrel.vectors.edge.folder import FolderUnclear
from carrel.vectors.edge.live import Journal
from carrel.vectors.edge.own import OwnCollections
from carrel.vectors.edge.served import Served

OURS, THEIRS = TenantId("ours"), TenantId("theirs")
SEEN = [schema.EVERYONE]


def open_collections(path: Path, *, most_open: int = 2) -> OwnCollections:
    return OwnCollections(path / "own", DIMENSIONS, asyncio.Lock(), most_open=most_open)


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnCollections]:
    collections = open_collections(tmp_path)
    yield collections
    await collections.close()


async def publish(
    own: OwnCollections, name: str, *, tenant_id: TenantId = OURS, chunks: int = 1
) -> None:
    staged = [point("doc", ordinal=i) for i in range(chunks)]
    points = [
        wire.Point(
            schema.chunk_id(tenant_id, p.document_id, p.version, p.chunk.ordinal),
            schema.to_payload(tenant_id, p),
            EAST.tobytes(),
            p.sparse.indices,
            p.sparse.values,
        )
        for p in staged
    ]
    await own.write(wire.Stage(tenant_id, name, points), 1)
    await own.write(wire.Publish(tenant_id, name, "doc", 1, SEEN), 1)


async def count(own: OwnCollections, name: str, tenant_id: TenantId = OURS) -> int | None:
    """The points of the tenant; None if there is no such collection."""
    served = await own.served(name)
    request = wire.Count(tenant_id, name, SEEN, None)
    return served.live.shard.count(request) if served else None


def opened(own: OwnCollections) -> int:
    return own.count()[1]


GOOD_NAME = "col_06h05zp3axqft6xcs26t0spzt6"
BAD_NAMES = [
    "col_",
    "../shard-000001",
    "col_../../../../../../../../../..",
    "/etc",
    GOOD_NAME[:-1],
    f"{GOOD_NAME}0",
    f"{GOOD_NAME}\n",
    f"{GOOD_NAME}/",
    GOOD_NAME.upper(),
    GOOD_NAME.replace("col_", "doc_"),
    "col_0000000000000000000000000l",
    "col_0000000000000000000000000\uff11",
    f"{GOOD_NAME}.0123.erased",
    "\x00",
    ".",
]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_name_of_another_shape_is_refused(
    own: OwnCollections, tmp_path: Path, name: str
) -> None:
    for request in (
        wire.Stage(OURS, name, []),
        wire.Publish(OURS, name, "doc", 1, SEEN),
        wire.Erase(OURS, name),
    ):
        with pytest.raises(ValueError, match="no name of a collection"):
            await own.write(request, 1)
    with pytest.raises(ValueError, match="no name of a collection"):
        await own.served(name)
    assert [*tmp_path.iterdir()] == []


async def test_reading_and_erasing_make_no_collection(own: OwnCollections, tmp_path: Path) -> None:
    name = new_collection()
    assert await count(own, name) is None
    await own.write(wire.Publish(OURS, name, "doc", 1, SEEN), 1)
    await own.write(wire.Withdraw(OURS, name, "doc", 9), 1)
    await own.write(wire.Discard(OURS, name, "doc", 1), 1)
    await own.write(wire.Erase(OURS, name), 1)
    assert await count(own, name) is None
    assert [*tmp_path.iterdir()] == []


async def test_the_least_recently_used_is_closed_for_the_next(own: OwnCollections) -> None:
    first, second, third = (new_collection() for _ in range(3))
    await publish(own, first)
    await publish(own, second, chunks=2)
    kept = await own.served(first)
    gone = await own.served(second)
    assert kept is not None
    assert gone is not None
    assert await count(own, first) == 1
    await publish(own, third, chunks=3)
    assert own.count() == (3, 2)
    assert (kept.live.closed, gone.live.closed) == (False, True)
    assert [await count(own, name) for name in (second, third, first)] == [2, 3, 1]


async def test_what_is_in_use_is_not_closed(own: OwnCollections) -> None:
    busy, *others = (new_collection() for _ in range(4))
    await publish(own, busy)
    served = await own.served(busy)
    assert served is not None
    async with served.live.writes_paused():
        waiting = asyncio.ensure_future(own.write(wire.Discard(OURS, busy, "doc", 1), 1))
        for name in others:
            await publish(own, name)
        assert not served.live.closed
    await waiting
    assert await count(own, busy) == 0
    await count(own, others[0])
    assert opened(own) == 2


async def test_more_than_the_bound_are_open_only_while_they_are_in_use(
    own: OwnCollections,
) -> None:
    names = [new_collection() for _ in range(4)]
    for name in names:
        await publish(own, name)
    first, second = await own.served(names[0]), await own.served(names[1])
    assert first is not None
    assert second is not None
    with first.live.in_use(), second.live.in_use():
        assert await count(own, names[2]) == 1
        assert opened(own) == 3
    assert await count(own, names[3]) == 1
    assert opened(own) == 2


async def test_many_at_once_open_one_collection_once(own: OwnCollections) -> None:
    name = new_collection()
    await asyncio.gather(*(publish(own, name) for _ in range(5)))
    for _ in range(2):
        await publish(own, new_collection())
    assert await asyncio.gather(*(count(own, name) for _ in range(20))) == [1] * 20


async def test_the_watch_opens_nothing(
    own: OwnCollections, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await publish(own, new_collection())
    looked_at: list[Compaction] = []
    enough = asyncio.Event()

    async def note(compaction: Compaction) -> None:
        looked_at.append(compaction)
        if len(looked_at) >= 10:
            enough.set()

    monkeypatch.setattr(compact, "CHECK_SECONDS", 0.001)
    monkeypatch.setattr(Compaction, "run_if_due", note)
    watching = asyncio.ensure_future(compact.watch(own.compactions))
    await enough.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert len(set(looked_at)) == opened(own) == 2


async def test_erasing_a_collection_leaves_no_file_of_it(
    own: OwnCollections, tmp_path: Path
) -> None:
    name = new_collection()
    await publish(own, name)
    await own.write(wire.Erase(OURS, name), 1)
    assert [*(tmp_path / "own").iterdir()] == []
    assert own.count() == (0, 0)


async def test_a_collection_with_points_of_another_tenant_is_not_dropped(
    own: OwnCollections,
) -> None:
    name = new_collection()
    await publish(own, name, chunks=3)
    await own.write(wire.Erase(THEIRS, name), 1)
    assert await count(own, name) == 3
    await publish(own, name, tenant_id=THEIRS)
    await own.write(wire.Erase(OURS, name), 1)
    assert [await count(own, name, tenant_id) for tenant_id in (OURS, THEIRS)] == [0, 1]


async def test_writers_that_wait_while_a_collection_is_erased_start_again(
    own: OwnCollections,
) -> None:
    name = new_collection()
    await publish(own, name)
    served = await own.served(name)
    assert served is not None
    async with served.live.writes_paused():
        writing = [
            asyncio.ensure_future(own.write(wire.Erase(OURS, name), 1)),
            asyncio.ensure_future(publish(own, name, chunks=2)),
            asyncio.ensure_future(own.write(wire.Erase(OURS, new_collection()), 1)),
        ]
        await asyncio.wait(writing, timeout=0.05)
    await asyncio.gather(*writing)
    assert await count(own, name) == 2


async def compacting(served: Served) -> asyncio.Task[bool]:
    """A compaction that goes on: the copy is made, and is being optimised."""
    journaled = asyncio.Event()
    start_journal = served.live.start_journal

    def note(limit_bytes: int) -> Journal:
        journaled.set()
        return start_journal(limit_bytes)

    served.live.start_journal = note
    running = asyncio.create_task(served.compaction.run())
    await journaled.wait()
    return running


async def test_what_is_compacted_is_not_closed(own: OwnCollections) -> None:
    name = new_collection()
    await publish(own, name, chunks=500)
    served = await own.served(name)
    assert served is not None
    running = await compacting(served)
    for _ in range(2):
        await publish(own, new_collection())
    assert not served.live.closed
    assert await running is True
    for _ in range(2):
        await publish(own, new_collection())
    assert served.live.closed
    assert await count(own, name) == 500


async def test_a_collection_that_is_compacted_can_be_erased(own: OwnCollections) -> None:
    name = new_collection()
    await publish(own, name, chunks=500)
    served = await own.served(name)
    assert served is not None
    running = await compacting(served)
    await own.write(wire.Erase(OURS, name), 1)
    assert running.done()
    assert await running is False
    assert await served.compaction.run() is False
    await publish(own, name)
    assert await count(own, name) == 1


async def test_an_erasure_that_fails_half_way_leaves_nothing_to_read_and_can_be_repeated(
    own: OwnCollections, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(f"no permission to remove {path.name}")

    name = new_collection()
    await publish(own, name)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(OSError, match="no permission"):
            await own.write(wire.Erase(OURS, name), 1)
    assert await count(own, name) is None
    await publish(own, name, chunks=2)
    assert await count(own, name) == 2
    await own.write(wire.Erase(OURS, name), 1)
    assert [*(tmp_path / "own").iterdir()] == []


def killed_while_making(folder: Path) -> None:
    shutil.rmtree(folder / "shard-000001")
    (folder / "CURRENT").unlink()
    (folder / "shard-000001.partial").mkdir()


def killed_before_making(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def killed_while_erasing(folder: Path) -> None:
    folder.rename(folder.with_name(f"{folder.name}.0123456789abcdef.erased"))


@pytest.mark.parametrize("crash", [killed_while_making, killed_before_making, killed_while_erasing])
@pytest.mark.parametrize("restart", [True, False], ids=["after a restart", "at once"])
async def test_what_a_crash_left_is_no_collection(
    tmp_path: Path, crash: Callable[[Path], None], restart: bool
) -> None:
    name = new_collection()
    before = open_collections(tmp_path)
    await publish(before, name)
    await before.close()
    crash(tmp_path / "own" / name)
    after = open_collections(tmp_path)
    if restart:
        after.clean()
        assert [*(tmp_path / "own").iterdir()] == []
        assert after.count() == (0, 0)
    assert await count(after, name) is None
    await publish(after, name, chunks=2)
    assert await count(after, name) == 2
    await after.write(wire.Erase(OURS, name), 1)
    assert [*(tmp_path / "own").iterdir()] == []
    await after.close()


async def test_a_collection_whose_folder_is_unclear_is_neither_served_nor_removed(
    own: OwnCollections, tmp_path: Path
) -> None:
    names = [new_collection() for _ in range(3)]
    for name in names:
        await publish(own, name)
    current = tmp_path / "own" / names[0] / "CURRENT"
    current.write_text("shard-999999")
    own.clean()
    with pytest.raises(FolderUnclear):
        await count(own, names[0])
    assert await count(own, names[1]) == 1
    current.write_text("shard-000001")
    assert await count(own, names[0]) == 1
