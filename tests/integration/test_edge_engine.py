"""The vector engine as a real process: its start, its end, its crashes."""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.sample_points import DIMENSIONS, EAST, look, point, texts, words

from carrel.domain.errors import Unavailable
from carrel.domain.ids import DocumentId, TenantId
from carrel.vectors.edge import wire
from carrel.vectors.edge.address import socket_path
from carrel.vectors.edge.process import EngineProcess, engine_command
from carrel.vectors.edge.store import EdgeVectorStore
from carrel.vectors.store import TenantVectors

TENANT = TenantId("ten_1")

Start = Callable[[], Awaitable[EngineProcess]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "vectors"


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    """Starts an engine on `folder` and waits for it; the last one is stopped after the test."""
    started: list[EngineProcess] = []

    async def run() -> EngineProcess:
        engine = EngineProcess(folder, DIMENSIONS)
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


@pytest.fixture
def tenant(store: EdgeVectorStore) -> TenantVectors:
    return store.tenant(TENANT)


async def publish(tenant: TenantVectors, name: str, chunks: int = 3) -> None:
    await tenant.stage([point(name, f"apple {name} {i}", ordinal=i) for i in range(chunks)])
    await tenant.publish(DocumentId(name), 1)


async def test_points_are_there_after_a_restart(start: Start, tenant: TenantVectors) -> None:
    engine = await start()
    await publish(tenant, "doc")
    before = await look(tenant, EAST, words("apple"), limit=10)
    assert await engine.stop() == 0
    await start()
    assert await look(tenant, EAST, words("apple"), limit=10) == before


async def test_what_was_acknowledged_survives_kill_9(start: Start, store: EdgeVectorStore) -> None:
    """Writers go on without a pause; the engine is killed under them, three times."""
    published: list[tuple[TenantId, str]] = []
    withdrawn: set[tuple[TenantId, str]] = set()
    touched: set[tuple[TenantId, str]] = set()

    async def write(tenant_id: TenantId, run: int, enough: asyncio.Event) -> None:
        tenant = store.tenant(tenant_id)
        with contextlib.suppress(Unavailable):
            for number in range(10_000):
                name = f"doc_{run}_{number}"
                await publish(tenant, name)
                published.append((tenant_id, name))
                if number % 5 == 4:
                    gone = f"doc_{run}_{number - 2}"
                    touched.add((tenant_id, gone))
                    await tenant.withdraw(DocumentId(gone), before=2)
                    withdrawn.add((tenant_id, gone))
                if len(published) >= 40 * (run + 1):
                    enough.set()

    for run in range(3):
        engine = await start()
        enough = asyncio.Event()
        writers = [asyncio.ensure_future(write(TenantId(f"t{i}"), run, enough)) for i in range(4)]
        await enough.wait()
        engine.kill()
        await asyncio.gather(*writers)
        assert await engine.wait() == -signal.SIGKILL

    await start()
    for tenant_id, name in published:
        count = await store.tenant(tenant_id).count(DocumentId(name))
        if (tenant_id, name) in withdrawn:
            assert count == 0, name
        elif (tenant_id, name) not in touched:
            assert count == 3, name
    for number in range(4):
        hits = await look(store.tenant(TenantId(f"t{number}")), EAST, words("apple"), limit=9999)
        found = texts(hits.dense)
        assert len(found) == len(set(found)) == await store.tenant(TenantId(f"t{number}")).count()


async def test_clients_of_a_dead_engine_are_told_and_those_of_the_next_served(
    start: Start, tenant: TenantVectors
) -> None:
    engine = await start()
    await publish(tenant, "doc")
    engine.kill()
    await engine.wait()
    with pytest.raises(Unavailable, match="restarting"):
        await tenant.count()
    await start()
    assert await tenant.count() == 3


async def test_a_second_engine_waits_for_the_first_to_end(
    start: Start, folder: Path, tenant: TenantVectors
) -> None:
    first = await start()
    await publish(tenant, "doc")
    second = EngineProcess(folder, DIMENSIONS)
    await second.start()
    assert await first.stop() == 0
    await second.wait_ready()
    assert await tenant.count() == 3
    assert await second.stop() == 0


async def test_an_engine_ends_with_the_process_that_started_it(start: Start, folder: Path) -> None:
    engine = await asyncio.create_subprocess_exec(
        *engine_command(folder, DIMENSIONS), stdin=asyncio.subprocess.PIPE
    )
    watching = EdgeVectorStore(folder)
    while True:
        with contextlib.suppress(Unavailable):
            await watching.ping()
            break
    assert engine.stdin is not None
    engine.stdin.close()
    assert await engine.wait() == 0
    await watching.close()


async def test_ctrl_c_is_left_to_the_supervisor(start: Start, store: EdgeVectorStore) -> None:
    engine = await start()
    os.kill(engine.pid, signal.SIGINT)
    await store.ping()
    assert await engine.stop() == 0


async def test_an_engine_asked_for_other_dimensions_says_so_and_ends(
    start: Start, folder: Path
) -> None:
    await (await start()).stop()
    other = await asyncio.create_subprocess_exec(
        *engine_command(folder, 384), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, complaint = await other.communicate()
    assert other.returncode == os.EX_CONFIG
    assert b"vectors that are not of 384 dimensions" in complaint
    assert b"Traceback" not in complaint


async def test_waiting_for_an_engine_that_can_not_start_ends(start: Start, folder: Path) -> None:
    await (await start()).stop()
    other = EngineProcess(folder, 384)
    await other.start()
    with pytest.raises(Unavailable, match=f"status {os.EX_CONFIG}"):
        await other.wait_ready()
    assert await other.wait() == os.EX_CONFIG


async def test_only_the_owner_reaches_the_engine(start: Start, folder: Path) -> None:
    await start()
    path = socket_path(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_folder_with_a_very_long_path_is_served(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["long" * 20] * 3, "vectors")
    engine = EngineProcess(folder, DIMENSIONS)
    await engine.start()
    await engine.wait_ready()
    path = socket_path(folder)
    assert not path.is_relative_to(folder)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert await engine.stop() == 0
    assert not path.exists()
    path.parent.rmdir()


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xffxxxx", b"GET / HTTP/1.1\r\n\r\n", b"\x00"],
    ids=["not a message", "too large", "HTTP", "cut short"],
)
async def test_garbage_on_one_connection_does_not_disturb_another(
    start: Start, folder: Path, tenant: TenantVectors, garbage: bytes
) -> None:
    await start()
    await publish(tenant, "doc")
    _, writer = await asyncio.open_unix_connection(socket_path(folder))
    writer.write(garbage)
    await writer.drain()
    writer.close()
    assert await tenant.count() == 3


async def test_a_request_that_fails_is_refused_and_the_connection_lives_on(
    start: Start, folder: Path
) -> None:
    await start()
    reader, writer = await asyncio.open_unix_connection(socket_path(folder))
    replies: list[wire.Reply] = []
    for request in (
        wire.Search("t", wire.SHARED, ["everyone"], b"123", [], [], 10, [], False),
        wire.Search("t", wire.SHARED, ["everyone"], EAST[:2].tobytes(), [], [], 10, [], False),
        wire.Stage("t", wire.SHARED, [wire.Point("not a uuid", {}, EAST.tobytes(), [], [])]),
        wire.Ping(),
    ):
        wire.write_frame(writer, wire.encode(request))
        replies.append(wire.decode_reply(await wire.read_frame(reader)))
    writer.close()
    await writer.wait_closed()
    assert [type(reply) for reply in replies] == [wire.Refused] * 3 + [wire.Done]
