"""The adapter's connections, against an engine that misbehaves as it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import get_args

import pytest
from tests.contract.sample_points import EAST, point, words

from carrel.domain.errors import (
    CarrelError,
    InvalidRequest,
    IsolationViolation,
    StorageFull,
    TooLarge,
    Unavailable,
)
from carrel.domain.ids import ChunkId, CollectionName, DocumentId, TenantId
from carrel.vectors import schema
from carrel.vectors.edge import wire
from carrel.vectors.edge.connections import Connections
from carrel.vectors.edge.questions import answer_nothing
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import StoredVersion

OURS = TenantId("ours")
THEIRS = TenantId("theirs")

Answer = Callable[[wire.Request], Awaitable[wire.Reply | bytes | None]]


class FakeEngine:
    """Listens where an engine would; `answer` gives a reply, raw bytes, or None to hang up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = 0
        self.received: list[wire.Request] = []
        self.answer: Answer = self._done
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.folder / "engine.sock")

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            (self.folder / "engine.sock").unlink(missing_ok=True)

    async def _done(self, _: wire.Request) -> wire.Reply:
        return wire.Done()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._writers.append(writer)
        try:
            while True:
                request = wire.decode_request(await wire.read_frame(reader))
                self.received.append(request)
                reply = await self.answer(request)
                if reply is None:
                    break
                if isinstance(reply, bytes):
                    writer.write(reply)
                else:
                    wire.write_frame(writer, wire.encode(reply))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    fake = FakeEngine(tmp_path)
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def connections(tmp_path: Path) -> AsyncIterator[Connections]:
    pool = Connections(tmp_path, limit=2, timeout_seconds=30)
    yield pool
    await pool.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EdgeVectorStore]:
    opened = EdgeVectorStore(tmp_path)
    yield opened
    await opened.close()


async def test_a_connection_is_used_again(engine: FakeEngine, connections: Connections) -> None:
    for _ in range(3):
        await connections.ask(wire.Ping(), wire.Done)
    assert engine.opened == 1


async def test_requests_beyond_the_limit_wait_for_a_connection(
    engine: FakeEngine, connections: Connections
) -> None:
    await asyncio.gather(*(connections.ask(wire.Ping(), wire.Done) for _ in range(20)))
    assert len(engine.received) == 20
    assert engine.opened == 2


async def test_a_cancelled_request_does_not_leave_its_reply_to_the_next(
    engine: FakeEngine, connections: Connections
) -> None:
    asked, released = asyncio.Event(), asyncio.Event()

    async def count(request: wire.Request) -> wire.Reply:
        assert isinstance(request, wire.Count)
        if request.tenant_id == THEIRS:
            asked.set()
            await released.wait()
            return wire.Counted(999)
        return wire.Counted(1)

    engine.answer = count
    abandoned = asyncio.ensure_future(
        connections.ask(wire.Count(THEIRS, wire.SHARED, [], None), wire.Counted)
    )
    await asked.wait()
    abandoned.cancel()
    with pytest.raises(asyncio.CancelledError):
        await abandoned
    released.set()
    for _ in range(3):
        assert await connections.ask(
            wire.Count(OURS, wire.SHARED, [], None), wire.Counted
        ) == wire.Counted(1)


async def test_a_request_that_is_not_answered_in_time_fails(
    engine: FakeEngine, connections: Connections
) -> None:
    async def never(_: wire.Request) -> None:
        await asyncio.Event().wait()

    engine.answer = never
    with pytest.raises(Unavailable, match=r"within 0\.01 s"):
        await connections.ask(wire.Ping(), wire.Done, timeout_seconds=0.01)


async def test_without_an_engine_the_store_is_unavailable(store: EdgeVectorStore) -> None:
    with pytest.raises(Unavailable, match="restarting"):
        await store.ping()


async def test_an_engine_that_hangs_up_makes_the_store_unavailable(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    async def hang_up(_: wire.Request) -> None:
        return None

    engine.answer = hang_up
    with pytest.raises(Unavailable, match="restarting"):
        await store.ping()


async def test_connections_to_an_engine_that_died_are_not_used_again(
    engine: FakeEngine, connections: Connections
) -> None:
    await asyncio.gather(*(connections.ask(wire.Ping(), wire.Done) for _ in range(2)))
    await engine.stop()
    await engine.start()
    await connections.ask(wire.Ping(), wire.Done)
    assert engine.opened == 3


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (wire.Refused("invalid_request", "why"), InvalidRequest),
        (wire.Refused("storage_full", "why"), StorageFull),
        (wire.Refused("too_large", "why"), TooLarge),
        (wire.Refused("failed", "why"), CarrelError),
    ],
)
async def test_a_refusal_is_raised_with_its_reason(
    engine: FakeEngine, connections: Connections, refusal: wire.Refused, error: type[CarrelError]
) -> None:
    async def refuse(_: wire.Request) -> wire.Reply:
        return refusal

    engine.answer = refuse
    with pytest.raises(error, match="why"):
        await connections.ask(wire.Erase(OURS, wire.SHARED), wire.Done)


@pytest.mark.parametrize("raw", [b"\x00\x00\x00\x03abc", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"])
async def test_what_is_not_a_reply_is_an_error(
    engine: FakeEngine, connections: Connections, raw: bytes
) -> None:
    async def garble(_: wire.Request) -> bytes:
        return raw

    engine.answer = garble
    with pytest.raises(CarrelError, match="not a reply"):
        await connections.ask(wire.Ping(), wire.Done)


async def test_another_tenants_point_is_an_alarm_and_never_a_hit(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    async def leak(_: wire.Request) -> wire.Reply:
        return wire.Fetched({"p": schema.to_payload(THEIRS, point("doc"))})

    engine.answer = leak
    with pytest.raises(IsolationViolation):
        await store.tenant(OURS).fetch([ChunkId("p")])


async def test_points_are_sent_in_slices(engine: FakeEngine, store: EdgeVectorStore) -> None:
    await store.tenant(OURS).stage([point("doc", ordinal=i) for i in range(130)])
    assert [len(r.points) for r in engine.received if isinstance(r, wire.Stage)] == [64, 64, 2]


async def test_a_slice_too_large_for_a_frame_is_halved(
    engine: FakeEngine, store: EdgeVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 10_000)
    await store.tenant(OURS).stage([point("doc", "x" * 2000, ordinal=i) for i in range(9)])
    sent = [r.points for r in engine.received if isinstance(r, wire.Stage)]
    assert [p.payload["ordinal"] for points in sent for p in points] == list(range(9))
    assert max(len(points) for points in sent) < 5


async def test_a_point_too_large_for_a_frame_is_refused(
    engine: FakeEngine, store: EdgeVectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 1_000)
    with pytest.raises(TooLarge):
        await store.tenant(OURS).stage([point("doc", "x" * 2000)])
    assert engine.received == []


async def test_every_request_of_a_handle_names_its_tenant_and_collection(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    async def answer(request: wire.Request) -> wire.Reply:
        return answer_nothing(request) if isinstance(request, wire.Question) else wire.Done()

    engine.answer = answer
    document = DocumentId("doc")
    for collection in (None, CollectionName("col_ours")):
        engine.received.clear()
        tenant = store.tenant(OURS, collection=collection)
        await tenant.stage([point("doc")])
        await tenant.publish(document, 1)
        await tenant.withdraw(document, before=1)
        await tenant.discard(document, 1)
        await tenant.search(EAST, words("apple"), limit=1)
        await tenant.fetch([ChunkId("p")])
        await tenant.count()
        await tenant.inventory()
        await tenant.read(document, 1, range(1))
        await tenant.erase()
        assert len(engine.received) == len(get_args(wire.Write)) + len(get_args(wire.Question))
        for request in engine.received:
            assert isinstance(request, wire.OfTenant)
            assert (request.tenant_id, request.collection) == (OURS, collection or wire.SHARED)


async def test_an_inventory_is_asked_for_slice_by_slice_and_summed_up(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    slices = {
        None: wire.Inventoried([wire.Stored("doc", 1, 5, [("everyone",)])], "second"),
        "second": wire.Inventoried(
            [wire.Stored("doc", 1, 3, [("everyone",), ()]), wire.Stored("doc", 2, 1, [()])], "third"
        ),
        "third": wire.Inventoried([wire.Stored("doc", 2, 2, [()])], None),
    }

    async def answer(request: wire.Request) -> wire.Reply:
        assert isinstance(request, wire.Inventory)
        return slices[request.start]

    engine.answer = answer
    assert await store.tenant(OURS).inventory() == [
        StoredVersion(DocumentId("doc"), 1, 8, frozenset({("everyone",), ()})),
        StoredVersion(DocumentId("doc"), 2, 3, frozenset({()})),
    ]


async def test_points_too_large_for_one_reply_are_read_in_several(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    staged = {
        schema.chunk_id(OURS, each.document_id, 1, each.chunk.ordinal): each
        for each in (point("doc", f"apple {i}", ordinal=i) for i in range(100))
    }

    async def answer(request: wire.Request) -> wire.Reply:
        assert isinstance(request, wire.Read)
        if len(request.ids) > 3:
            return wire.Refused("too_large", "why")
        return wire.Whole([whole(point_id) for point_id in reversed(request.ids)])

    def whole(point_id: str) -> wire.Point:
        each = staged[ChunkId(point_id)]
        payload = schema.to_payload(OURS, each)
        return wire.Point(point_id, payload, each.dense.tobytes(), each.sparse.indices, [1.0, 1.0])

    engine.answer = answer
    read = await store.tenant(OURS).read(DocumentId("doc"), 1, range(100))
    assert [each.chunk.ordinal for each in read] == list(range(100))


async def test_another_tenants_point_is_an_alarm_and_never_read(
    engine: FakeEngine, store: EdgeVectorStore
) -> None:
    async def leak(request: wire.Request) -> wire.Reply:
        assert isinstance(request, wire.Read)
        payload = schema.to_payload(THEIRS, point("doc"))
        return wire.Whole([wire.Point(request.ids[0], payload, EAST.tobytes(), [], [])])

    engine.answer = leak
    with pytest.raises(IsolationViolation):
        await store.tenant(OURS).read(DocumentId("doc"), 1, range(1))
