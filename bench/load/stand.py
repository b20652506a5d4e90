"""All that a load test runs against, as processes: simulator, Redis, Carrel, and a gateway."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from bench.load import corpus
from bench.load.plan import Plan, Tenant
from bench.micro.served import load
from bench.peers.simulator import simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, free_port, running
from tests.contract.certificates import Authority

ROOT = Path(__file__).parents[2]
MODEL = "sim"
PRICE = {"input": 0.15, "output": 0.6}
PLENTY = {"requests_per_minute": 10**7, "tokens_per_minute": 10**9, "concurrent_requests": 10**5}
BUDGET_USD = "1000"
_AT_ONCE = 8


@dataclass
class Stand:
    """What is running: processes by name, those of Carrel by its first."""

    url: str = ""
    simulator_url: str = ""
    admin: Client | None = None
    members: tuple[Tenant, ...] = ()
    pids: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Setup:
    """How Carrel is run."""

    workers: int = 1
    redis: bool = True
    gateway: bool = False
    against: str = "carrel"
    environment: tuple[tuple[str, str], ...] = ()


@contextlib.asynccontextmanager
async def stand(folder: Path, plan: Plan, setup: Setup) -> AsyncGenerator[Stand]:
    """Everything started, tenants and documents in it; stopped at the end."""
    async with contextlib.AsyncExitStack() as stack:
        it = Stand()
        it.simulator_url, it.pids["simulator"] = await stack.enter_async_context(simulator())
        await behave(it, plan)
        redis = stack.enter_context(services.redis()) if setup.redis else None
        if redis:
            it.pids["Redis"] = redis.process.pid
        if setup.against != "carrel":
            it.members = _imaginary(plan)
            it.url = it.simulator_url.removesuffix("/v1")
            if setup.against == "relay":
                assert redis
                it.url = stack.enter_context(_relay(it, redis.url))
            yield it
            return
        settings = {
            "CARREL_LLM__BASE_URL": it.simulator_url,
            "CARREL_LLM__MODEL": MODEL,
            "CARREL_LLM__MAX_CONNECTIONS": "8192",
            "CARREL_PRICES": f'{{"{MODEL}": {{"input": {PRICE["input"]}, '
            f'"output": {PRICE["output"]}}}}}',
            "CARREL_LOG__FORMAT": "json",
            **({"CARREL_REDIS_URL": redis.url} if redis else {}),
            **dict(setup.environment),
        }
        arguments = ["--workers", str(setup.workers)] if setup.workers > 1 else []
        server = stack.enter_context(running(folder, settings, arguments=arguments))
        assert server.process is not None
        it.pids["carrel"], it.url = server.process.pid, server.url
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        it.admin = Client(session, server.url, ADMIN_KEY)
        it.members = await _tenants(it.admin, plan)
        if setup.gateway:
            it.url = stack.enter_context(_gateway(folder, server.port, it))
        yield it


async def behave(it: Stand, plan: Plan, **changes: float) -> None:
    """Set the simulator's pace to the plan's, but for *changes*."""
    behaviour = {
        "ttft_ms": plan.ttft_ms,
        "tokens_per_second": plan.tokens_per_second,
        "tokens": plan.tokens,
        **changes,
    }
    url = it.simulator_url.removesuffix("/v1") + "/behaviour"
    async with aiohttp.ClientSession() as session, session.post(url, json=behaviour) as response:
        assert response.status == 200, await response.text()


def _imaginary(plan: Plan) -> tuple[Tenant, ...]:
    return tuple(Tenant(n, "none", corpus.marker(n)) for n in range(plan.tenants))


async def _tenants(admin: Client, plan: Plan) -> tuple[Tenant, ...]:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> Tenant:
        async with turns:
            terms = {"limits": PLENTY, "budget": {"usd": BUDGET_USD, "period": "month"}}
            status, made = await admin.post("/admin/tenants", {"name": f"tenant {number}"})
            assert status == 201, made
            status, body = await admin.call("PATCH", f"/admin/tenants/{made['id']}", json=terms)
            assert status == 200, body
            status, key = await admin.post(f"/admin/tenants/{made['id']}/keys", {})
            assert status == 201, key
            tenant = admin.with_key(key["secret"])
            await load(tenant, (corpus.document(number, n) for n in range(plan.documents)))
            return Tenant(number, key["secret"], corpus.marker(number))

    return tuple(await asyncio.gather(*map(one, range(plan.tenants))))


@contextlib.contextmanager
def _relay(it: Stand, redis_url: str) -> Iterator[str]:
    port = free_port()
    words = [str(port), it.simulator_url, redis_url, "1"]
    with subprocess.Popen([sys.executable, "-m", "bench.peers.relay", *words]) as process:
        it.pids["relay"] = process.pid
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@contextlib.contextmanager
def _gateway(folder: Path, port: int, it: Stand) -> Iterator[str]:
    """Nginx with the configuration in deploy/nginx, over TLS; its URL."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    render = ROOT / "deploy" / "nginx" / "render"
    if nginx is None or not render.exists():
        raise SystemExit("--gateway needs nginx, and its configuration in deploy/nginx")
    key, certificate = Authority.made().certify("127.0.0.1")
    (folder / "tls.key").write_bytes(key)
    (folder / "tls.crt").write_bytes(certificate)
    ports = [free_port() for _ in range(3)]
    environment = os.environ | {
        "GATEWAY_REPLICAS": f"127.0.0.1:{port}",
        "GATEWAY_CERTIFICATE": str(folder / "tls.crt"),
        "GATEWAY_CERTIFICATE_KEY": str(folder / "tls.key"),
        "GATEWAY_HTTP_PORT": str(ports[0]),
        "GATEWAY_HTTPS_PORT": str(ports[1]),
        "GATEWAY_STATUS_ADDRESS": f"127.0.0.1:{ports[2]}",
        "GATEWAY_RUN_DIR": str(folder),
        "GATEWAY_ACCESS_LOG": str(folder / "gateway.log"),
        "GATEWAY_WORKERS": "1",
        "GATEWAY_CONNECTIONS_PER_CLIENT": "50000",
    }
    rendered = subprocess.run([render], env=environment, capture_output=True, check=True)
    config = folder / "nginx.conf"
    config.write_bytes(rendered.stdout)
    command = [nginx, "-c", str(config), "-g", "daemon off;"]
    with (folder / "nginx.log").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        it.pids["gateway"] = process.pid
        yield f"https://127.0.0.1:{ports[1]}"
        process.terminate()
