"""The services that other tests stand on: isolated, and gone when the tests are."""

import asyncio
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest
from tests import services

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("run", ["first", "second"])
async def test_every_test_gets_an_empty_database(postgres_url: str, run: str) -> None:
    connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
    try:
        await connection.execute("CREATE TABLE mine (run text)")
        await connection.execute("INSERT INTO mine VALUES ($1)", run)
        assert await connection.fetchval("SELECT string_agg(run, ',') FROM mine") == run
    finally:
        await connection.close()


async def test_no_one_without_the_password_reaches_the_database(
    postgres_service: services.Service,
) -> None:
    port = postgres_service.url.rpartition(":")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://carrel:guess@127.0.0.1:{port}/postgres")


@pytest.mark.parametrize("run", ["first", "second"])
async def test_every_test_gets_an_empty_redis(redis_url: str, run: str) -> None:
    password, _, address = redis_url.removeprefix("redis://:").removesuffix("/0").partition("@")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"AUTH {password}\r\nDBSIZE\r\nSET mine {run}\r\n".encode())
        assert [await reader.readline() for _ in range(3)] == [b"+OK\r\n", b":0\r\n", b"+OK\r\n"]
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind a child to its parent")
@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_a_service_dies_with_a_test_run_that_is_killed(
    service: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(f"{service}_service")  # skips where the service is not installed
    program = (
        f"from tests import services\n"
        f"with services.{service}() as running:\n"
        f"    print(running.process.pid, flush=True)\n"
        f"    input()\n"
    )
    with (
        # A killed run leaves its folder behind; here, too, the server's account must reach it.
        tempfile.TemporaryDirectory(prefix="carrel-test-", ignore_cleanup_errors=True) as folder,
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as run,
    ):
        Path(folder).chmod(0o711)
        assert run.stdout
        server = os.pidfd_open(int(run.stdout.readline()))
        run.kill()
        try:
            exited, _, _ = select.select([server], [], [], 30)
            assert exited
        finally:
            os.close(server)
