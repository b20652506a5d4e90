"""The Redis client against a real Redis, through a proxy that delays and cuts."""

import asyncio
import contextlib
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hiredis import ReplyError
from msgspec import structs
from tests import services
from tests.faults.proxy import Proxy

from carrel.redis.client import RedisClient, Run
from carrel.redis.errors import SharedStateDown
from carrel.redis.link import Link
from carrel.redis.replicas import Replicas
from carrel.redis.roster import Replica, Roster, this_process
from carrel.redis.script import Script
from carrel.telemetry import metrics

pytestmark = pytest.mark.usefixtures("unblocked_loop")

PATIENT = 10.0  # for tests that are not about time


@contextlib.asynccontextmanager
async def connected(url: str, **options: float) -> AsyncIterator[RedisClient]:
    client = RedisClient(url, **{"budget_seconds": PATIENT, **options})  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    async with Proxy(redis_url).serving() as proxy:
        yield proxy


async def test_a_command_and_its_reply(redis_url: str):
    async with connected(redis_url) as redis:
        assert await redis.call("SET", "a", "1") == b"OK"
        assert await redis.call("GET", "a") == b"1"
        assert await redis.call("GET", "b") is None
        assert await redis.call("MGET", "a", "b") == [b"1", None]


async def test_a_script_takes_one_round_trip_once_redis_knows_it(redis_url: str):
    script = Script(b"return {KEYS[1], ARGV[1]}")
    async with connected(redis_url) as redis:
        assert await redis.run(script, ["k"], ["v"]) == [b"k", b"v"]
        assert redis.round_trips == 2  # unknown at first
        await redis.run(script, ["k"], ["v"])
        assert redis.round_trips == 3
        replies = await redis.run_all([Run(script, ["k"], [n]) for n in range(50)])
        assert [int(value) for _, value in replies] == [*range(50)]
        assert redis.round_trips == 4


async def test_a_redis_that_forgot_a_script_is_taught_again(redis_url: str):
    script = Script(b"return redis.call('INCR', KEYS[1])")
    async with connected(redis_url) as redis:
        assert await redis.run(script, ["n"], []) == 1
        await redis.call("SCRIPT", "FLUSH")
        assert await redis.run_all([Run(script, ["n"], [])] * 2) == [2, 3]


async def test_our_own_mistakes_are_no_outage(redis_url: str):
    async with connected(redis_url) as redis:
        for _ in range(10):
            with pytest.raises(ReplyError):
                await redis.call("NO-SUCH-COMMAND")
        with pytest.raises(ReplyError):
            await redis.run(Script(b"return redis.call('INCR', 'a', 'b')"), [], [])
        assert not redis.is_down


async def test_a_redis_that_refuses_writes_counts_as_down(redis_url: str):
    async with connected(redis_url) as redis:
        await redis.call("CONFIG", "SET", "maxmemory", "1")
        try:
            for _ in range(3):
                with pytest.raises(SharedStateDown):
                    await redis.call("SET", "a", "1")
            assert redis.is_down
        finally:
            async with connected(redis_url) as other:
                await other.call("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize("end", ["cancelled", "timed out"])
async def test_a_reply_that_was_not_read_is_never_read_by_another(proxy: Proxy, end: str):
    budget = 0.05 if end == "timed out" else PATIENT
    async with connected(proxy.url, budget_seconds=budget) as redis:
        await redis.call("SET", "secret", "of another tenant")
        proxy.requested.clear()
        proxy.replies.clear()
        asking = asyncio.create_task(redis.call("GET", "secret"))
        await proxy.requested.wait()  # it was sent; its reply is held back
        if end == "cancelled":
            asking.cancel()
        with pytest.raises((asyncio.CancelledError, SharedStateDown)):
            await asking
        proxy.replies.set()
        for n in range(20):
            assert await redis.call("ECHO", f"mine {n}") == b"mine %d" % n
        # The reply of who left is read, and thrown away; what came too late cost the connection.
        assert proxy.connections == (1 if end == "cancelled" else 2)


async def test_cancellations_at_any_moment_never_shift_replies(redis_url: str):
    async with connected(redis_url) as redis:

        async def ask(n: int) -> bytes:
            return await redis.call("ECHO", f"{n}")

        for round_ in range(200):
            tasks = [asyncio.create_task(ask(n)) for n in range(8)]
            for _ in range(round_ % 12):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            replies = await asyncio.gather(*tasks, return_exceptions=True)
            for n, reply in enumerate(replies):
                assert reply == b"%d" % n or isinstance(reply, asyncio.CancelledError)
            assert not isinstance(replies[1], BaseException)


async def test_a_cancelled_connecting_leaves_nothing_open_and_nothing_lost(proxy: Proxy):
    async with connected(proxy.url) as redis:
        for _ in range(20):
            asking = asyncio.create_task(redis.call("PING"))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert await redis.call("PING") == b"PONG"


async def test_a_dead_redis_costs_nothing_after_the_first_failures(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "carrel")
    async with connected(proxy.url, probe_seconds=PATIENT) as redis:
        await redis.call("PING")
        proxy.refuses = True
        proxy.cut()
        proxy.attempts = 0
        for _ in range(100):
            with pytest.raises(SharedStateDown):
                await redis.call("PING")
        assert redis.is_down
        assert proxy.attempts <= 3
        assert metrics.redis_up._value.get() == 0
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        password = urlsplit(proxy.url).password
        assert password
        assert password not in caplog.text


async def test_it_comes_back_by_itself(proxy: Proxy, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "carrel")
    async with connected(proxy.url, probe_seconds=0.01) as redis:
        proxy.refuses = True
        while not redis.is_down:
            with pytest.raises(SharedStateDown):
                await redis.call("PING")
        proxy.refuses = False
        while redis.is_down:
            with contextlib.suppress(SharedStateDown):
                await redis.call("PING")
            await asyncio.sleep(0.005)
        assert metrics.redis_up._value.get() == 1
        assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_a_connection_to_a_redis_that_restarted_is_not_used(proxy: Proxy):
    async with connected(proxy.url) as redis:
        await redis.call("PING")
        proxy.cut()
        while redis._linking.link is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)  # its end arrives
        for _ in range(50):
            assert await redis.call("PING") == b"PONG"
        assert metrics.redis_up._value.get() == 1


async def test_a_connection_that_is_lost_as_soon_as_it_is_open_keeps_nobody_waiting(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    async with connected(proxy.url) as redis:
        open_link = redis._linking.open

        async def lost() -> Link:
            link = await open_link()
            link.lose("cut before it was used")
            return link

        monkeypatch.setattr(redis._linking, "open", lost)
        async with asyncio.timeout(5):
            with pytest.raises(SharedStateDown):
                await redis.call("PING")


async def test_a_stopped_redis_keeps_nobody_longer_than_its_time():
    with services.redis() as service:
        async with connected(service.url, budget_seconds=0.05, probe_seconds=PATIENT) as redis:
            await answers(redis)
            service.process.send_signal(signal.SIGSTOP)
            while not redis.is_down:
                calls = [redis.call("PING") for _ in range(100)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert {type(outcome) for outcome in outcomes} == {SharedStateDown}
            asked = redis.round_trips
            assert asked <= 1 + 300  # three times a hundred found out, together
            with pytest.raises(SharedStateDown):
                await redis.call("PING")
            assert redis.round_trips == asked
            service.process.send_signal(signal.SIGCONT)


async def test_a_slow_moment_fails_many_calls_and_is_one_failure(proxy: Proxy):
    async with connected(proxy.url, budget_seconds=0.01) as redis:
        await answers(redis)
        proxy.replies.clear()
        calls = [redis.call("PING") for _ in range(100)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {SharedStateDown}
        assert not redis.is_down


async def test_a_stall_of_our_own_loop_is_not_held_against_redis(redis_url: str):
    async with connected(redis_url, budget_seconds=0.02) as redis:
        await answers(redis)
        for _ in range(5):
            asking = asyncio.create_task(redis.call("PING"))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(time.sleep, 0.1)
            assert await asking == b"PONG"


async def test_a_loop_that_is_always_busy_is_not_held_against_redis(redis_url: str):
    loop = asyncio.get_running_loop()
    async with connected(redis_url, budget_seconds=0.02) as redis:
        await answers(redis)
        busy = True

        def work() -> None:
            time.sleep(0.015)
            if busy:
                loop.call_soon(work)

        work()
        replies = await asyncio.gather(*(redis.call("ECHO", str(n)) for n in range(20)))
        for n in range(20):
            replies.append(await redis.call("ECHO", str(n)))
        busy = False
        assert replies == [b"%d" % n for n in range(20)] * 2


async def test_calls_of_one_turn_share_a_connection_and_get_their_own_replies(proxy: Proxy):
    async with connected(proxy.url) as redis:
        replies = await asyncio.gather(*(redis.call("ECHO", str(n)) for n in range(500)))
        assert replies == [b"%d" % n for n in range(500)]
        assert proxy.connections == 1


async def test_a_reply_in_pieces_is_put_together(redis_url: str):
    async with connected(redis_url) as redis:
        long = "x" * 5_000_000
        await redis.call("SET", "long", long)
        replies = await asyncio.gather(*(redis.call("GET", "long") for _ in range(3)))
        assert replies == [long.encode()] * 3


async def test_what_is_no_redis_counts_as_down():
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"redis://127.0.0.1:{port}") as redis:
            while not redis.is_down:
                with pytest.raises(SharedStateDown):
                    await redis.call("PING")


async def test_over_a_unix_socket(tmp_path: Path):
    server = shutil.which("redis-server")
    if not server:
        pytest.skip("redis-server is not installed")
    path = tmp_path / "redis.sock"
    with running([server, "--port", "0", "--unixsocket", str(path), "--save", ""]):
        async with connected(f"unix://{path}?db=3", probe_seconds=0) as redis:
            await answers(redis)
            assert await redis.call("SET", "a", "1") == b"OK"
            assert redis._linking.where == str(path)


async def test_over_tls(tmp_path: Path):
    server, openssl = shutil.which("redis-server"), shutil.which("openssl")
    if not (server and openssl):
        pytest.skip("redis-server or openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(
        subprocess.run,
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject, *files],
        check=True,
        capture_output=True,
    )
    port = services._free_port()
    tls = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    options = [*tls, "--tls-auth-clients", "no", "--save", ""]
    with running([server, "--port", "0", *options]):
        url = f"rediss://localhost:{port}?ssl_ca_certs={certificate}"
        async with connected(url, probe_seconds=0) as redis:
            await answers(redis)
            assert await redis.call("PING") == b"PONG"
        async with connected(f"rediss://localhost:{port}") as redis:  # a certificate of nobody's
            with pytest.raises(SharedStateDown):
                await redis.call("PING")


async def test_replicas_know_of_each_other_and_remember_when_redis_is_gone(proxy: Proxy):
    async with connected(proxy.url) as redis:
        replicas = [Replicas(redis, beat_seconds=PATIENT) for _ in range(3)]
        assert [one.count for one in replicas] == [1, 1, 1]
        for one in [*replicas, *replicas]:
            await one.beat()
        assert [one.count for one in replicas] == [3, 3, 3]
        proxy.refuses = True
        proxy.cut()
        await asyncio.sleep(0.01)
        with pytest.raises(SharedStateDown):
            await replicas[0].beat()
        assert replicas[0].count == 3
        proxy.refuses = False
        await replicas[2].leave()
        await replicas[0].beat()
        assert replicas[0].count == 2


async def test_replicas_say_who_they_are_also_to_those_of_another_version(proxy: Proxy):
    async with connected(proxy.url) as redis:
        here, there = (structs.replace(this_process(), pid=number) for number in (7, 9))
        replicas = [Replicas(redis, name=each.encoded()) for each in (here, there)]
        before = Replicas(redis, name=b"5eb6")
        for one in (*replicas, before):
            await one.beat()
        roster = Roster(here, replicas[0])
        assert list(await roster.living()) == [Replica("5eb6"), here, there]
        await replicas[1].leave()
        assert list(await roster.living()) == [Replica("5eb6"), here]
        proxy.refuses = True
        proxy.cut()
        assert await roster.living() == [here]


async def test_a_replica_that_falls_silent_is_not_counted_for_long(redis_url: str):
    async with connected(redis_url) as redis:
        silent, live = Replicas(redis, beat_seconds=0.02), Replicas(redis, beat_seconds=PATIENT)
        await silent.beat()
        await live.beat()
        assert live.count == 2
        while live.count == 2:
            await live.beat()


async def test_a_redis_that_lost_its_memory_is_noticed(redis_url: str):
    async with connected(redis_url) as redis:
        replicas = Replicas(redis)
        marks: list[str] = []
        replicas.on_new_memory(lambda: marks.append(replicas.mark))
        first = await replicas.beat()
        assert (await replicas.beat()).mark == first.mark
        await asyncio.sleep(0.002)
        await redis.call("FLUSHALL")
        after = await replicas.beat()
        assert after.mark != first.mark
        assert after.age_seconds < 1
        assert marks == [first.mark, after.mark]


@contextlib.contextmanager
def running(command: list[str]):
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr) as process:
        try:
            yield
        finally:
            process.terminate()


async def answers(redis: RedisClient) -> None:
    """Wait for a Redis that is starting."""
    while True:
        with contextlib.suppress(SharedStateDown):
            await redis.call("PING")
            return
        await asyncio.sleep(0.01)
