"""The gateway of deploy/nginx before two real servers that hold the same documents and keys."""

import asyncio
import json
import os
import shutil
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bench.simulator import Behaviour, Simulator
from tests import services
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running
from tests.contract.certificates import Authority

from carrel.api.errors import error_body

FAST = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=5)
SLOW = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=2000)
DOCUMENT = {"text": "Refunds take 30 days after the return.", "document_id": "policy"}
# Each question is the model's work, so that the model's own count tells how often it was asked.
QUESTION = {"question": "How long do refunds take?", "cache": "bypass"}


@dataclass
class Replicas:
    """Two servers with equal data, a tenant's key, and the port where their model must be."""

    servers: list[Server]
    key: str
    upstream_port: int

    @property
    def addresses(self) -> list[str]:
        return [f"127.0.0.1:{server.port}" for server in self.servers]

    def kill(self, number: int) -> None:
        """kill -9 of all processes of one server, at once."""
        process = self.servers[number].process
        assert process is not None
        for pid in (process.pid, *self.servers[number].children().values()):
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def revive(self) -> None:
        """Start those that a test stopped or killed."""
        for server in self.servers:
            if server.process is None or server.process.poll() is not None:
                server.start()


@dataclass
class Front:
    """A running gateway, and who its certificate's authority is."""

    gateway: services.Gateway
    authority: Authority
    key: str

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.pem.decode())

    @asynccontextmanager
    async def client(
        self, key: str | None = None, source: str = "127.0.0.1"
    ) -> AsyncIterator[Client]:
        """A client at the address *source*, with the tenant's key unless another is given."""
        connector = aiohttp.TCPConnector(ssl=self.tls(), local_addr=(source, 0), limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Client(session, self.gateway.url, key or self.key)

    async def served(self, requests: int) -> list[dict[str, Any]]:
        """The access log, once it has a line for that many; one is written after the answer."""
        log = self.gateway.folder / "access.log"
        await until(lambda: len(log.read_text().splitlines()) >= requests)
        return [json.loads(line) for line in log.read_text().splitlines()]

    def workers(self) -> set[int]:
        """The process ids of nginx's workers."""
        pid = self.gateway.process.pid
        return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    async def reload(self) -> None:
        """As `nginx -s reload`; returns when new workers serve, while old ones may still drain."""
        before = self.workers()
        self.gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: len(self.workers() - before) == 2)


@contextmanager
def gateway(replicas: Replicas, variables: Mapping[str, str] | None = None) -> Iterator[Front]:
    """nginx before *replicas*."""
    authority = Authority.made()
    key, certificate = authority.certify("127.0.0.1")
    with services.nginx(
        replicas.addresses, certificate=certificate, key=key, variables=variables or {}
    ) as started:
        yield Front(started, authority, replicas.key)


@contextmanager
def two_servers(folder: Path) -> Iterator[Replicas]:
    """Two servers, the second with a copy of the first one's data."""
    upstream_port = free_port()
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CARREL_LLM__MODEL": "small",
    }
    with running(folder / "one", environment) as first:
        key = asyncio.run(_prepare(first))
        first.stop()
        (folder / "two").mkdir()
        shutil.copytree(first.data_dir, folder / "two" / "data")
        second = Server(folder / "two" / "data", environment)
        replicas = Replicas([first, second], key, upstream_port)
        try:
            replicas.revive()
            yield replicas
        finally:
            with suppress(ProcessLookupError):
                second.stop()


async def _prepare(server: Server) -> str:
    """A tenant with a document; its key."""
    async with aiohttp.ClientSession() as session:
        tenant = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        status, document = await tenant.post("/v1/documents?wait=30", DOCUMENT)
        assert (status, document["status"]) == (202, "ready"), document
        assert tenant.key
        return tenant.key


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - of other processes, which tell nobody
            await asyncio.sleep(0.01)


@asynccontextmanager
async def streamed(client: Client) -> AsyncIterator[aiohttp.ClientResponse]:
    """A streamed answer under way."""
    headers = {"authorization": f"Bearer {client.key}"}
    body = {**QUESTION, "stream": True}
    async with client.session.post(
        client.url + "/v1/query", json=body, headers=headers
    ) as response:
        assert response.status == 200, await response.text()
        try:
            yield response
        finally:
            # Whoever leaves in the middle says no TLS goodbye, for which nobody would wait here.
            if response.connection and response.connection.transport:
                response.connection.transport.abort()


async def until_delta(response: aiohttp.ClientResponse) -> None:
    """Read on to the answer's next words."""
    while True:
        line = await response.content.readline()
        assert line, "the stream ended before the answer began"
        if line == b"event: delta\n":
            return


def started(replicas: Replicas, **variables: str) -> Iterator[Front]:
    """One gateway, its variables as given; without nginx the test is skipped."""
    try:
        with gateway(replicas, variables) as running:
            yield running
    except services.MissingProgramError as missing:
        pytest.skip(str(missing))


def model(replicas: Replicas, behaviour: Behaviour) -> Simulator:
    """The model of both servers."""
    return Simulator(behaviour, port=replicas.upstream_port)


async def refusal(response: aiohttp.ClientResponse) -> tuple[int, str, str]:
    """Status, code and message of an error that nginx answered, which has the one shape."""
    body = await response.json()
    code, message = body["error"]["code"], body["error"]["message"]
    request_id = response.headers["x-request-id"]
    assert request_id.startswith("req_")
    assert body == error_body(code, message, None, request_id)
    return response.status, code, message
