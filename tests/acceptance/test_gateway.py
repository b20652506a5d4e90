"""The gateway of deploy/nginx: a real nginx before two real servers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
from bench.simulator import Behaviour, Simulator
from tests import services
from tests.acceptance import gateway as gateways
from tests.acceptance.gateway import QUESTION, Front, Replicas, streamed, until, until_delta
from tests.acceptance.server import ADMIN_KEY, Client
from yarl import URL

from carrel.api.errors import error_body

FAST = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=5)
SLOW = Behaviour(ttft_ms=5, tokens_per_second=20, tokens=2000)
SOON_SILENT = Behaviour(ttft_ms=5, tokens_per_second=0, tokens=2000, stall_after=40)
UNTIL_STOPPED = Behaviour(ttft_ms=60_000)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with gateways.two_servers(tmp_path_factory.mktemp("gateway")) as replicas:
        yield replicas


@pytest.fixture
def replicas(pair: Replicas) -> Replicas:
    pair.revive()
    return pair


@pytest.fixture
def front(replicas: Replicas) -> Iterator[Front]:
    yield from _started(replicas)


@pytest.fixture
async def client(front: Front) -> AsyncIterator[Client]:
    async with front.client() as made:
        yield made


def _started(replicas: Replicas, **variables: str) -> Iterator[Front]:
    try:
        with gateways.gateway(replicas, variables) as running:
            yield running
    except services.MissingProgramError as missing:
        pytest.skip(str(missing))


def _model(replicas: Replicas, behaviour: Behaviour) -> Simulator:
    return Simulator(behaviour, port=replicas.upstream_port)


async def _refused(response: aiohttp.ClientResponse) -> tuple[int, str, str]:
    """Status, code and message of an error that nginx answered, which has the one shape."""
    body = await response.json()
    code, message = body["error"]["code"], body["error"]["message"]
    request_id = response.headers["x-request-id"]
    assert request_id.startswith("req_")
    assert body == error_body(code, message, None, request_id)
    return response.status, code, message


def test_tls_is_of_today_and_http_2_is_offered(front: Front):
    at = urlsplit(front.gateway.url)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = front.tls()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection((at.hostname, at.port)) as plain,
            context.wrap_socket(plain, server_hostname=at.hostname) as secured,
        ):
            assert secured.selected_alpn_protocol() == "h2"
    old = front.tls()
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with (
        socket.create_connection((at.hostname, at.port)) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol version|unsupported protocol"),
    ):
        old.wrap_socket(plain, server_hostname=at.hostname)


async def test_the_first_words_come_while_the_model_still_writes(
    replicas: Replicas, client: Client
):
    async with (
        _model(replicas, SOON_SILENT) as model,
        asyncio.timeout(10),
        streamed(client) as response,
    ):
        await until_delta(response)
        assert (model.stats.open, model.stats.completed) == (1, 0)
        assert response.headers["x-request-id"].startswith("req_")


async def test_they_do_so_over_http_2(replicas: Replicas, front: Front):
    headers = {"authorization": f"Bearer {front.key}"}
    async with (
        _model(replicas, SOON_SILENT) as model,
        asyncio.timeout(10),
        httpx.AsyncClient(http1=False, http2=True, verify=front.tls()) as http,
        http.stream(
            "POST",
            front.gateway.url + "/v1/query",
            json={**QUESTION, "stream": True},
            headers=headers,
        ) as response,
    ):
        assert response.http_version == "HTTP/2"
        async for line in response.aiter_lines():
            if line == "event: delta":
                break
        assert (model.stats.open, model.stats.completed) == (1, 0)


async def test_a_reader_who_leaves_the_gateway_stops_the_model(replicas: Replicas, client: Client):
    async with _model(replicas, SLOW) as model:
        async with streamed(client) as response:
            await until_delta(response)
        async with asyncio.timeout(10):
            await model.stats.until(lambda stats: stats.cancelled_by_client == 1)


async def test_a_replica_that_refuses_connections_costs_nobody_a_request(
    replicas: Replicas, front: Front, client: Client
):
    replicas.servers[0].stop()
    async with _model(replicas, FAST) as model:
        answers = await asyncio.gather(
            *(client.post("/v1/query", QUESTION) for _ in range(20)),
            *(client.get("/v1/documents/policy") for _ in range(20)),
        )
        assert {status for status, _ in answers} == {200}
        assert model.stats.requests == 20
    tried = [line["replica"] for line in front.served() if "," in line["replica"]]
    assert tried, "no request met the replica that is down"


async def test_kill_9_of_a_replica_cuts_its_streams_and_no_others(
    replicas: Replicas, client: Client
):
    async with _model(replicas, SLOW) as model:
        # The replica with the fewest requests gets the next, so each has one.
        async with streamed(client) as one, streamed(client) as other:
            await asyncio.gather(until_delta(one), until_delta(other))
            replicas.kill(0)
            # Whichever is cut: the other goes on.
            cut, kept = await _which_is_cut(one, other)
            assert isinstance(cut, aiohttp.ClientPayloadError)
            await until_delta(kept)
        model.behaviour = FAST
        for _ in range(10):
            status, answer = await client.post("/v1/query", QUESTION)
            assert status == 200, answer


async def _which_is_cut(
    *responses: aiohttp.ClientResponse,
) -> tuple[BaseException, aiohttp.ClientResponse]:
    async def read_out(response: aiohttp.ClientResponse) -> None:
        while await response.content.readline():
            pass

    reading = {asyncio.ensure_future(read_out(each)): each for each in responses}
    (cut,), rest = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
    for each in rest:
        each.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    error = cut.exception()
    assert error is not None
    return error, reading[rest.pop()]


async def test_a_post_that_reached_a_replica_is_not_sent_to_another(
    replicas: Replicas, client: Client
):
    async with _model(replicas, UNTIL_STOPPED) as model:
        replicas.kill(1)  # so it is the other that gets the question
        headers = {"authorization": f"Bearer {client.key}"}
        asked = asyncio.ensure_future(
            client.session.post(client.url + "/v1/query", json=QUESTION, headers=headers)
        )
        await model.stats.until(lambda stats: stats.requests == 1)
        await asyncio.to_thread(replicas.revive)
        replicas.kill(0)
        async with await asked as response:
            assert await _refused(response) == (503, "unavailable", "no server could answer")
            assert response.headers["retry-after"] == "1"
        model.behaviour = FAST
        status, answer = await client.post("/v1/query", QUESTION)
        assert status == 200, answer
        assert model.stats.requests == 2


async def test_while_a_replica_ends_its_streams_the_other_has_all_new_requests(
    replicas: Replicas, client: Client
):
    async with _model(replicas, SLOW) as model, streamed(client) as one, streamed(client) as other:
        await asyncio.gather(until_delta(one), until_delta(other))
        stopping = replicas.servers[0]
        assert stopping.process
        stopping.process.terminate()
        await until(lambda: not _takes_connections(stopping.port))
        model.behaviour = FAST
        for _ in range(10):
            status, answer = await client.post("/v1/query", QUESTION)
            assert status == 200, answer
        assert stopping.process.poll() is None
        await asyncio.gather(until_delta(one), until_delta(other))


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_with_all_replicas_down_the_answer_is_503_and_when_to_come_back(
    replicas: Replicas, client: Client
):
    for number in range(2):
        replicas.kill(number)
    for _ in range(3):  # at the first they refuse; after that nginx has none left to ask
        async with client.session.post(client.url + "/v1/query", json=QUESTION) as response:
            assert await _refused(response) == (503, "unavailable", "no server could answer")
            assert response.headers["retry-after"] == "1"


async def test_a_body_larger_than_the_servers_limit_is_refused_at_the_gateway(
    replicas: Replicas,
):
    for front in _started(replicas, GATEWAY_MAX_BODY_BYTES="1000"):
        async with front.client() as client:
            body = {"text": "x" * 1000}
            async with client.session.post(client.url + "/v1/documents", json=body) as response:
                refused = (413, "too_large", "the request has more than 1000 bytes")
                assert await _refused(response) == refused
        assert front.served()[-1]["replica"] == ""


PRIVATE = ("/metrics", "/admin/tenants", "/readyz", "/livez")
AROUND = (
    "//metrics",
    "/%6detrics",
    "/metrics/",
    "/METRICS",
    "/v1/../metrics",
    "/v1/%2e%2e/metrics",
    "/v1%2f..%2fmetrics",
    "/metrics/..",
    "/./metrics",
    "/admin%2ftenants",
    "/admin/tenants?x=1",
)


async def test_the_inside_is_not_there_for_those_outside(front: Front):
    async with front.client(ADMIN_KEY, source="127.0.0.2") as outside:
        forged = {"authorization": f"Bearer {ADMIN_KEY}", "x-forwarded-for": "127.0.0.1"}
        for path in (*PRIVATE, *AROUND):
            url = URL(outside.url + path, encoded=True)
            async with outside.session.get(url, headers=forged) as response:
                assert await _refused(response) == (404, "not_found", "no such route"), path
        await until(lambda: len(front.served()) == len(PRIVATE) + len(AROUND))
        assert {line["replica"] for line in front.served()} == {""}, "a server was asked"
        assert (await outside.with_key(front.key).get("/v1/models"))[0] == 200
    async with front.client(ADMIN_KEY) as inside:
        for path in PRIVATE:
            assert (await inside.get(path))[0] == 200, path


async def test_a_balancer_before_the_gateway_is_believed_if_it_is_named(replicas: Replicas):
    for front in _started(
        replicas, GATEWAY_TRUSTED_PROXIES="127.0.0.1", GATEWAY_ADMIN_NETWORKS="10.1.0.0/16"
    ):
        async with front.client(ADMIN_KEY) as client:
            for address, expected in (("10.1.2.3", 200), ("203.0.113.9", 404)):
                headers = {"x-forwarded-for": f"127.0.0.1, {address}"}
                assert (await client.get("/metrics", headers=headers))[0] == expected


async def test_connections_of_one_client_are_counted(replicas: Replicas):
    for front in _started(replicas, GATEWAY_CONNECTIONS_PER_CLIENT="2"):
        async with (
            _model(replicas, SLOW),
            front.client() as client,
            front.client(source="127.0.0.2") as another,
            streamed(client),
            streamed(client),
        ):
            async with client.session.get(client.url + "/v1/models") as response:
                code, message = "rate_limit_exceeded", "too many connections from this address"
                assert await _refused(response) == (429, code, message)
                assert response.headers["retry-after"] == "1"
            assert (await another.get("/v1/models"))[0] == 200


async def test_a_reload_lets_streams_end(replicas: Replicas):
    behaviour = Behaviour(ttft_ms=5, tokens_per_second=10, tokens=20)
    for front in _started(replicas):
        async with (
            _model(replicas, behaviour),
            front.client() as client,
            streamed(client) as response,
        ):
            await until_delta(response)
            await front.reload()
            text = await response.text()
        assert "event: done" in text


async def test_in_the_clear_there_is_nothing_but_the_way_to_https(front: Front):
    plain = front.gateway.plain_url
    async with aiohttp.ClientSession() as session:
        async with session.get(plain + "/v1/models") as response:
            assert await _refused(response) == (422, "invalid_request", "use https")
        async with session.get(plain + "/console", allow_redirects=False) as response:
            assert (response.status, response.headers["location"]) == (
                308,
                "https://127.0.0.1/console",
            )


async def test_the_log_names_the_request_as_the_replica_does_and_no_path(
    front: Front, client: Client
):
    headers = {"authorization": f"Bearer {client.key}"}
    url = client.url + "/v1/documents/policy"
    async with client.session.get(url, headers=headers) as response:
        request_id = response.headers["x-request-id"]
    await until(lambda: bool(front.served()))  # a line is written after the answer's end
    (line,) = front.served()
    assert (line["request_id"], line["replica_status"]) == (request_id, "200")
    assert "policy" not in str(line)
