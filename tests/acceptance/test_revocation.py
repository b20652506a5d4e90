"""How soon a key, a tenant or a token that is taken back is refused, over two servers.

Both share Postgres; one pair shares Redis, too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import jwt
import pytest
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, running
from tests.issuer import AUDIENCE, ISSUER, SECRET, claims

# Far more than is promised (1 s and 5 s): the machine may be busy. What it took is reported.
BOUND_SECONDS = 15


@dataclass
class Pair:
    """Two servers of one deployment, and an administrator of the first."""

    here: Client
    there: Client
    has_redis: bool

    async def status_there(self, key: str) -> int:
        """The second server's answer, from the memory of its one API process if it can be."""
        status, _ = await self.there.with_key(key).get("/v1/models")
        return status

    async def seconds_until(self, status: int, key: str) -> float:
        start = time.monotonic()
        async with asyncio.timeout(BOUND_SECONDS):
            while await self.status_there(key) != status:  # noqa: ASYNC110 - no event crosses HTTP
                await asyncio.sleep(0.01)
        return time.monotonic() - start


@pytest.fixture(params=["with Redis", "without Redis"])
def servers(
    request: pytest.FixtureRequest,
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Server, Server]]:
    shared = {
        "CARREL_DATABASE_URL": postgres_url.replace("+asyncpg", ""),
        "CARREL_JWT__ISSUER": ISSUER,
        "CARREL_JWT__AUDIENCE": AUDIENCE,
        "CARREL_JWT__SECRET": SECRET,
    }
    if request.param == "with Redis":
        shared["CARREL_REDIS_URL"] = request.getfixturevalue("redis_url")
    with (
        running(tmp_path_factory.mktemp("here"), shared) as here,
        running(tmp_path_factory.mktemp("there"), shared) as there,
    ):
        yield here, there


@pytest.fixture
async def pair(servers: tuple[Server, Server]) -> AsyncIterator[Pair]:
    here, there = servers
    async with aiohttp.ClientSession() as session:
        yield Pair(
            Client(session, here.url, ADMIN_KEY),
            Client(session, there.url, None),
            "CARREL_REDIS_URL" in here.environment,
        )


async def _revoked(pair: Pair, tenant: str) -> float:
    _, key = await pair.here.post(f"/admin/tenants/{tenant}/keys", {})
    assert await pair.seconds_until(200, key["secret"]) < BOUND_SECONDS
    await pair.here.call("DELETE", f"/admin/keys/{key['id']}")
    return await pair.seconds_until(401, key["secret"])


async def _narrowed(pair: Pair, tenant: str) -> float:
    _, key = await pair.here.post(f"/admin/tenants/{tenant}/keys", {})
    assert await pair.seconds_until(200, key["secret"]) < BOUND_SECONDS
    await pair.here.call("PATCH", f"/admin/keys/{key['id']}", json={"scopes": ["usage:read"]})
    return await pair.seconds_until(403, key["secret"])


async def _suspended(pair: Pair, tenant: str) -> float:
    _, key = await pair.here.post(f"/admin/tenants/{tenant}/keys", {})
    token = jwt.encode(claims(tenant), SECRET, "HS256")
    for each in (key["secret"], token):
        assert await pair.seconds_until(200, each) < BOUND_SECONDS
    await pair.here.call("PATCH", f"/admin/tenants/{tenant}", json={"status": "suspended"})
    both = [pair.seconds_until(403, each) for each in (key["secret"], token)]
    return max(await asyncio.gather(*both))


async def test_what_is_taken_back_on_one_server_is_refused_by_the_other(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    status, tenant = await pair.here.post("/admin/tenants", {"name": "acme"})
    assert status == 201
    taken: dict[str, list[float]] = {"revoked": [], "narrowed": [], "suspended": []}
    for _ in range(3):
        taken["revoked"].append(await _revoked(pair, tenant["id"]))
        taken["narrowed"].append(await _narrowed(pair, tenant["id"]))
    taken["suspended"].append(await _suspended(pair, tenant["id"]))
    kind = "with Redis" if pair.has_redis else "without Redis"
    told = {name: [round(each, 2) for each in seconds] for name, seconds in taken.items()}
    print(f"\nseconds until refused, {kind}: {told}")  # noqa: T201
    record_property(f"seconds until refused {kind}", told)


@pytest.mark.slow
async def test_what_is_taken_back_while_redis_is_down_is_refused_by_age(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with services.redis() as redis:
        shared: dict[str, Any] = {
            "CARREL_DATABASE_URL": postgres_url.replace("+asyncpg", ""),
            "CARREL_REDIS_URL": redis.url,
        }
        with (
            running(tmp_path_factory.mktemp("here"), shared) as here,
            running(tmp_path_factory.mktemp("there"), shared) as there,
        ):
            async with aiohttp.ClientSession() as session:
                admin = Client(session, here.url, ADMIN_KEY)
                pair = Pair(admin, Client(session, there.url, None), has_redis=True)
                _, tenant = await admin.post("/admin/tenants", {"name": "acme"})
                _, key = await admin.post(f"/admin/tenants/{tenant['id']}/keys", {})
                assert await pair.seconds_until(200, key["secret"]) < BOUND_SECONDS
                redis.process.kill()
                redis.process.wait()
                status, _ = await admin.call("DELETE", f"/admin/keys/{key['id']}")
                assert status == 204
                seconds = await pair.seconds_until(401, key["secret"])
                print(f"\nseconds until refused, Redis dead: {seconds:.2f}")  # noqa: T201
