"""The vector engine as a real process, with collections of tenants' own: many, and kill -9."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.own_collections import new_collection
from tests.contract.sample_points import DIMENSIONS, EAST, look, point, texts, words

from carrel.domain.errors import InvalidRequest, Unavailable
from carrel.domain.ids import CollectionName, DocumentId, TenantId
from carrel.vectors.edge.process import EngineProcess
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import TenantVectors

MOST_OPEN = 3

Start = Callable[[], Awaitable[EngineProcess]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    """Starts an engine that keeps three collections open; each is stopped after the test."""
    started: list[EngineProcess] = []

    async def run() -> EngineProcess:
        engine = EngineProcess(folder, DIMENSIONS, MOST_OPEN)
        await engine.start()
        started.append(engine)
        await engine.wait_ready()
        return engine

    yield run
    for engine in started:
        await engine.stop()


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[EdgeVectorStore]:
    opened = EdgeVectorStore(folder)
    yield opened
    await opened.close()


async def publish(tenant: TenantVectors, name: str, chunks: int = 3) -> None:
    await tenant.stage([point(name, f"apple {name} {i}", ordinal=i) for i in range(chunks)])
    await tenant.publish(DocumentId(name), 1)


def tenants(store: EdgeVectorStore, count: int) -> dict[CollectionName, TenantVectors]:
    """Tenants with a collection each."""
    names = [new_collection() for _ in range(count)]
    return {
        name: store.tenant(TenantId(f"ten_{number}"), collection=name)
        for number, name in enumerate(names)
    }


async def test_what_was_acknowledged_in_any_collection_survives_kill_9(
    start: Start, store: EdgeVectorStore
) -> None:
    """Writers of more collections than may be open are killed in their midst, twice."""
    handles = [store.tenant(TenantId("shared")), *tenants(store, MOST_OPEN + 1).values()]
    published: list[tuple[TenantVectors, str]] = []

    async def write(tenant: TenantVectors, run: int, enough: asyncio.Event) -> None:
        with contextlib.suppress(Unavailable):
            for number in range(10_000):
                name = f"doc_{run}_{number}"
                await publish(tenant, name)
                published.append((tenant, name))
                if len(published) >= 20 * (run + 1):
                    enough.set()

    for run in range(2):
        engine = await start()
        enough = asyncio.Event()
        writers = [asyncio.ensure_future(write(tenant, run, enough)) for tenant in handles]
        await enough.wait()
        engine.kill()
        await asyncio.gather(*writers)
        assert await engine.wait() == -signal.SIGKILL

    await start()
    for tenant, name in published:
        assert await tenant.count(DocumentId(name)) == 3
    for tenant in handles:
        found = texts((await look(tenant, EAST, words("apple"), limit=9999)).dense)
        assert len(found) == len(set(found)) == await tenant.count()
        assert sum(each.points for each in await tenant.inventory()) >= len(found)


Moment = Callable[[Path, CollectionName], bool]


def once_renamed(own: Path, name: CollectionName) -> bool:
    return any(own.glob(f"{name}.*"))


def once_gone_by_name(own: Path, name: CollectionName) -> bool:
    return not (own / name).exists()


def wait_for(
    moment: Moment, own: Path, name: CollectionName, erasing: asyncio.Future[None]
) -> None:
    while not moment(own, name) and not erasing.done():
        time.sleep(0.0001)


@pytest.mark.parametrize("moment", [once_renamed, once_gone_by_name])
async def test_a_kill_while_a_collection_is_erased_leaves_nothing_of_it(
    start: Start, store: EdgeVectorStore, folder: Path, moment: Moment
) -> None:
    engine = await start()
    (erased, ours), (kept, theirs) = tenants(store, 2).items()
    await publish(ours, "doc", chunks=2000)
    await publish(theirs, "doc")
    erasing = asyncio.ensure_future(ours.erase())
    await asyncio.to_thread(wait_for, moment, folder / "own", erased, erasing)
    engine.kill()
    await asyncio.gather(erasing, return_exceptions=True)

    await start()
    assert [path.name for path in (folder / "own").iterdir()] == [kept]
    assert await ours.count() == 0
    assert await ours.inventory() == []
    assert await theirs.count() == 3
    await ours.erase()
    await publish(ours, "next")
    assert await ours.count() == 3


async def test_a_kill_while_a_collection_is_made_leaves_it_whole_or_not_at_all(
    start: Start, store: EdgeVectorStore, folder: Path
) -> None:
    engine = await start()
    (_, other), *made = tenants(store, 4).items()
    await publish(other, "doc")
    stages = ("", "shard-000001.partial/segments", "shard-000001")
    for (name, ours), stage in zip(made, stages, strict=True):
        path = folder / "own" / name / stage

        def there(own: Path, _: CollectionName, path: Path = path) -> bool:
            return path.exists()

        making = asyncio.ensure_future(ours.stage([point("doc")]))
        await asyncio.to_thread(wait_for, there, folder / "own", name, making)
        engine.kill()
        await asyncio.gather(making, return_exceptions=True)
        engine = await start()
        assert sum(each.points for each in await ours.inventory()) in {0, 1}
        await publish(ours, "doc")
        assert await ours.count() == await other.count() == 3


async def test_more_collections_than_may_be_open_are_written_and_searched_at_once(
    start: Start, store: EdgeVectorStore
) -> None:
    await start()
    handles = [store.tenant(TenantId("shared")), *tenants(store, 2 * MOST_OPEN).values()]
    for number, tenant in enumerate(handles):
        await publish(tenant, "first", chunks=number + 1)
    written = asyncio.Event()

    async def write(number: int, tenant: TenantVectors) -> None:
        for round_ in range(3):
            await publish(tenant, f"doc_{round_}", chunks=2)
            assert await tenant.count() == number + 1 + 2 * (round_ + 1)
        await tenant.withdraw(DocumentId("first"), before=9)

    async def read() -> int:
        rounds = 0
        while not written.is_set():
            for number, tenant in enumerate(handles):
                hits = await look(tenant, EAST, words("apple"), limit=1)
                assert len(hits.dense) == len(hits.sparse) == 1
                assert await tenant.count(DocumentId("first")) in {0, number + 1}
            rounds += 1
        return rounds

    readers = [asyncio.ensure_future(read()) for _ in range(2)]
    await asyncio.gather(*(write(number, tenant) for number, tenant in enumerate(handles)))
    written.set()
    assert all(await asyncio.gather(*readers))
    for tenant in handles:
        assert await tenant.count() == 6
        assert {each.points for each in await tenant.inventory()} == {2}
    described = await store.describe()
    assert (described.collections, described.open_collections) == (2 * MOST_OPEN, MOST_OPEN)


async def test_collections_are_there_after_a_restart(start: Start, store: EdgeVectorStore) -> None:
    engine = await start()
    handles = tenants(store, MOST_OPEN + 2).values()
    for tenant in handles:
        await publish(tenant, "doc")
    assert await engine.stop() == 0
    await start()
    described = await store.describe()
    assert (described.collections, described.open_collections) == (MOST_OPEN + 2, 0)
    assert [await tenant.count() for tenant in handles] == [3] * len(handles)


async def test_a_collection_is_compacted_while_it_is_searched_and_written(
    start: Start, store: EdgeVectorStore
) -> None:
    await start()
    name = new_collection()
    tenant = store.tenant(TenantId("ten_1"), collection=name)
    others = [*tenants(store, MOST_OPEN).values()]
    await publish(tenant, "gone", chunks=1500)
    await tenant.withdraw(DocumentId("gone"), before=2)
    await publish(tenant, "doc", chunks=500)
    before = await tenant.search(EAST, words("apple doc"), limit=1000)
    optimising = asyncio.ensure_future(store.optimise(name))
    searches = 0
    while not optimising.done():
        during = await tenant.search(EAST, words("apple doc"), limit=1000)
        assert len(during.dense) == len(during.sparse) == 500
        searches += 1
        if others:  # so that it would be closed, were it idle
            await publish(others.pop(), "doc")
    await optimising
    assert searches > 1
    assert not others
    after = await tenant.search(EAST, words("apple doc"), limit=1000)
    assert {hit.chunk_id for hit in after.dense} == {hit.chunk_id for hit in before.dense}
    assert dict(after.sparse) == dict(before.sparse)


async def test_optimising_what_is_not_there_does_nothing(
    start: Start, store: EdgeVectorStore, folder: Path
) -> None:
    await start()
    await store.optimise(new_collection())
    assert not (folder / "own").exists()


@pytest.mark.parametrize("name", ["../own", "col_", "col_../../../../../../../../../..", "*"])
async def test_a_name_that_is_no_collections_is_refused(
    start: Start, store: EdgeVectorStore, folder: Path, name: str
) -> None:
    await start()
    before = sorted(folder.rglob("*"))
    tenant = store.tenant(TenantId("ten_1"), collection=CollectionName(name))
    for operation in (
        publish(tenant, "doc"),
        tenant.count(),
        tenant.inventory(),
        tenant.read(DocumentId("doc"), 1, range(1)),
        tenant.erase(),
        store.optimise(CollectionName(name)),
    ):
        with pytest.raises(InvalidRequest):
            await operation
    assert sorted(folder.rglob("*")) == before
    await store.ping()
