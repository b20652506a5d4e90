"""Compaction: the shard is replaced by an optimised copy, and nothing is lost."""

import asyncio
import logging
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.contract.sample_points import DIMENSIONS, EAST, point, words

from carrel.domain.ids import TenantId
from carrel.vectors import schema
from carrel.vectors.edge import compact, engine, wire
from carrel.vectors.edge.compact import Compaction
from carrel.vectors.edge.engine import Engine
from carrel.vectors.edge.folder import Folder
from carrel.vectors.edge.layout import ShardLayout
from carrel.vectors.edge.live import Journal, LiveShard
from carrel.vectors.edge.own import OwnCollections
from carrel.vectors.edge.process import EngineProcess
from carrel.vectors.edge.served import Served, open_shard
from carrel.vectors.edge.store import EdgeVectorStore

LAYOUT = ShardLayout(DIMENSIONS)
OURS = TenantId("ours")
SEEN = [schema.EVERYONE]


class Bench:
    """An engine's parts in this process, so that tests can hold them at any moment."""

    def __init__(self, folder: Folder, live: LiveShard, journal_bytes: int) -> None:
        self.folder = folder
        self.live = live
        self.compaction = Compaction(
            live, folder, LAYOUT, asyncio.Lock(), journal_bytes=journal_bytes
        )
        self.copied = asyncio.Event()
        start_journal = self.live.start_journal

        def note(limit_bytes: int) -> Journal:
            self.copied.set()
            return start_journal(limit_bytes)

        self.live.start_journal = note

    @classmethod
    async def open(cls, path: Path, *, journal_bytes: int = 1_000_000) -> "Bench":
        folder = Folder(path)
        folder.acquire()
        return cls(folder, LiveShard(await open_shard(folder, LAYOUT)), journal_bytes)

    async def write(self, *requests: wire.Write) -> None:
        for request in requests:
            await self.live.write(request, len(wire.encode(request)))

    async def publish(self, name: str, chunks: int = 1) -> None:
        staged = [point(name, f"apple {name}", ordinal=i) for i in range(chunks)]
        points = [
            wire.Point(
                schema.chunk_id(OURS, p.document_id, p.version, p.chunk.ordinal),
                schema.to_payload(OURS, p),
                p.dense.tobytes(),
                p.sparse.indices,
                p.sparse.values,
            )
            for p in staged
        ]
        await self.write(
            wire.Stage(OURS, wire.SHARED, points), wire.Publish(OURS, wire.SHARED, name, 1, SEEN)
        )

    def found(self) -> list[str]:
        terms = words("apple")
        request = wire.Search(
            OURS, wire.SHARED, SEEN, EAST.tobytes(), terms.indices, terms.values, 1000, [], False
        )
        hits = self.live.shard.search(request)
        ids = [point_id for point_id, _ in hits.dense]
        fetched = (
            self.live.shard.fetch(wire.Fetch(OURS, wire.SHARED, SEEN, ids))
            if ids
            else wire.Fetched({})
        )
        return sorted(payload[schema.DOCUMENT] for payload in fetched.payloads.values())

    async def close(self) -> None:
        self.live.close()
        self.folder.release()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    parts = await Bench.open(tmp_path / "vectors")
    yield parts
    await parts.close()


def shards(folder: Folder) -> list[str]:
    return sorted(path.name for path in folder.path.glob("shard-*"))


def segments(bench: Bench) -> set[str]:
    return {path.name for path in (bench.live.shard.directory / "segments").iterdir()}


async def test_nothing_is_lost_and_the_deleted_make_room(bench: Bench) -> None:
    await bench.publish("a", chunks=1500)
    await bench.publish("b", chunks=10)
    await bench.write(wire.Withdraw(OURS, wire.SHARED, "a", 9))
    assert bench.live.shard.describe().dead == 1500
    before = segments(bench)
    assert await bench.compaction.run()
    assert bench.found() == ["b"] * 10
    assert segments(bench).isdisjoint(before)
    assert bench.live.shard.describe().dead == 0
    assert shards(bench.folder) == ["shard-000002"]


async def test_searches_go_on_and_writes_meanwhile_are_kept(bench: Bench) -> None:
    await bench.publish("before", chunks=300)
    await bench.publish("gone")
    running = asyncio.ensure_future(bench.compaction.run())
    await bench.copied.wait()  # from now on the child optimises, and writes are noted
    await bench.publish("meanwhile")
    await bench.write(wire.Withdraw(OURS, wire.SHARED, "gone", 9))
    assert bench.live.shard.directory.name == "shard-000001"
    assert bench.found() == [*["before"] * 300, "meanwhile"]
    assert await running
    assert bench.live.shard.directory.name == "shard-000002"
    assert bench.found() == [*["before"] * 300, "meanwhile"]
    await bench.publish("since")
    await bench.close()

    again = await Bench.open(bench.folder.path)
    assert again.found() == [*["before"] * 300, "meanwhile", "since"]
    bench.folder, bench.live = again.folder, again.live


async def test_a_shard_can_be_compacted_again_and_again(bench: Bench) -> None:
    for number in range(3):
        await bench.publish(f"doc{number}")
        assert await bench.compaction.run()
    assert bench.found() == ["doc0", "doc1", "doc2"]
    assert shards(bench.folder) == ["shard-000004"]


async def test_two_runs_take_turns(bench: Bench) -> None:
    await bench.publish("doc")
    assert await asyncio.gather(bench.compaction.run(), bench.compaction.run()) == [True, True]
    assert bench.found() == ["doc"]
    assert shards(bench.folder) == ["shard-000003"]


async def test_too_many_writes_meanwhile_leave_the_shard_as_it_is(tmp_path: Path) -> None:
    bench = await Bench.open(tmp_path / "vectors", journal_bytes=1000)
    await bench.publish("before")
    running = asyncio.ensure_future(bench.compaction.run())
    await bench.copied.wait()
    await bench.publish("meanwhile", chunks=50)
    assert not await running
    assert bench.found() == ["before", *["meanwhile"] * 50]
    assert shards(bench.folder) == ["shard-000001"]
    assert await bench.compaction.run()
    assert bench.found() == ["before", *["meanwhile"] * 50]
    await bench.close()


async def test_a_copy_that_fails_leaves_the_shard_as_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.publish("doc")
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert not await bench.compaction.run()
    assert "ended with status 1" in caplog.text
    assert bench.found() == ["doc"]
    await bench.publish("next")
    assert shards(bench.folder) == ["shard-000001"]


async def test_a_copy_that_can_not_be_taken_over_leaves_the_shard_as_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Folder, shard: Path) -> None:
        raise OSError(f"no CURRENT for {shard.name}")

    await bench.publish("doc")
    with monkeypatch.context() as patch:
        patch.setattr(Folder, "switch_to", fail)
        with pytest.raises(OSError, match="no CURRENT"):
            await bench.compaction.run()
    assert bench.found() == ["doc"]
    assert shards(bench.folder) == ["shard-000001"]
    await bench.publish("next")
    assert bench.found() == ["doc", "next"]


async def test_without_room_for_a_copy_nothing_is_copied(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Folder, "free_bytes", lambda _: 1000)
    with caplog.at_level(logging.WARNING):
        assert not await bench.compaction.run()
    assert "too little room" in caplog.text


async def test_a_cancelled_run_leaves_no_process_and_no_copy(bench: Bench) -> None:
    await bench.publish("doc")
    running = asyncio.ensure_future(bench.compaction.run())
    await bench.copied.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert shards(bench.folder) == ["shard-000001"]
    await bench.publish("next")
    assert bench.found() == ["doc", "next"]


async def test_a_full_disk_refuses_points_and_serves_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.publish("doc")
    monkeypatch.setattr(Folder, "free_bytes", lambda _: engine.LEAST_FREE_BYTES - 1)
    answering = Engine(
        Served(bench.folder, bench.live, bench.compaction),
        OwnCollections(bench.folder.path / "own", DIMENSIONS, asyncio.Lock()),
    )
    stage, count = (
        wire.encode(wire.Stage(OURS, wire.SHARED, [])),
        wire.encode(wire.Count(OURS, wire.SHARED, SEEN, None)),
    )
    refused = wire.decode_reply(await answering.answer(stage))
    assert isinstance(refused, wire.Refused)
    assert refused.code == "storage_full"
    assert wire.decode_reply(await answering.answer(count)) == wire.Counted(1)


@pytest.mark.parametrize(
    ("size", "largest", "due"),
    [
        (wire.Size(points=0, unindexed=0, dead=0, segments=1), 0, False),
        (wire.Size(points=10_000, unindexed=0, dead=4_999, segments=1), 10_000, False),
        (wire.Size(points=10_000, unindexed=0, dead=5_000, segments=1), 10_000, True),
        (wire.Size(points=100_000, unindexed=0, dead=5_000, segments=1), 10_000, False),
        (wire.Size(points=20_000, unindexed=20_000, dead=0, segments=1), 9_999, False),
        (wire.Size(points=20_000, unindexed=20_000, dead=0, segments=1), 10_000, True),
        (wire.Size(points=900_000, unindexed=20_000, dead=0, segments=1), 10_000, False),
    ],
)
async def test_a_run_is_due_when_it_pays(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    size: wire.Size,
    largest: int,
    due: bool,
) -> None:
    monkeypatch.setattr(bench.live.shard, "describe", lambda: size)
    monkeypatch.setattr(bench.live.shard, "largest_tenant", lambda: largest)
    assert bench.compaction.due() is due


async def test_the_watch_compacts_what_is_due(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CHECK_SECONDS", 0.001), ("QUIET_SECONDS", 0.0), ("DEAD_POINTS", 5)):
        monkeypatch.setattr(compact, name, value)
    compacted = asyncio.Event()
    run = bench.compaction.run

    async def noted() -> bool:
        done = await run()
        compacted.set()
        return done

    monkeypatch.setattr(bench.compaction, "run", noted)
    await bench.publish("doc", chunks=20)
    await bench.write(wire.Erase(OURS, wire.SHARED))
    watching = asyncio.ensure_future(compact.watch(lambda: [bench.compaction]))
    await compacted.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert bench.live.shard.describe().dead == 0


Moment = Callable[[Path], bool]


def while_copying(folder: Path) -> bool:
    return any(folder.glob("*.partial"))


def when_switching(folder: Path) -> bool:
    return (folder / "shard-000002").exists()


def after_switching(folder: Path) -> bool:
    return (folder / "CURRENT").read_text().strip() == "shard-000002"


def wait_for(moment: Moment, folder: Path, optimising: asyncio.Future[None]) -> None:
    while True:
        missed = optimising.done()
        if moment(folder):
            return
        assert not missed, "it never came"
        time.sleep(0.0002)


@pytest.mark.parametrize("moment", [while_copying, when_switching, after_switching])
async def test_a_kill_during_compaction_loses_nothing(tmp_path: Path, moment: Moment) -> None:
    folder = tmp_path / "vectors"
    first = EngineProcess(folder, DIMENSIONS)
    await first.start()
    await first.wait_ready()
    store = EdgeVectorStore(folder)
    tenant = store.tenant(OURS)
    for name in ("a", "b", "c"):
        doc = [point(name, ordinal=i) for i in range(500)]
        await tenant.stage(doc)
        await tenant.publish(doc[0].document_id, 1)
    optimising = asyncio.ensure_future(store.optimise())
    await asyncio.to_thread(wait_for, moment, folder, optimising)
    first.kill()
    assert await first.wait() == -signal.SIGKILL
    await asyncio.gather(optimising, return_exceptions=True)

    second = EngineProcess(folder, DIMENSIONS)
    await second.start()
    await second.wait_ready()
    assert await tenant.count() == 1500
    assert len([path for path in folder.glob("shard-*") if path.suffix != ".partial"]) == 1
    await store.optimise()
    assert await tenant.count() == 1500
    await store.close()
    assert await second.stop() == 0
