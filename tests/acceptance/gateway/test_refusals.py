"""Whom and what the gateway does not let in, and how it says so."""

import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.acceptance.gateway.servers import (
    SLOW,
    Front,
    Replicas,
    model,
    refusal,
    started,
    streamed,
)
from tests.acceptance.server import ADMIN_KEY
from yarl import URL


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


async def test_a_body_larger_than_the_servers_limit_is_refused_at_the_gateway(
    replicas: Replicas,
):
    for front in started(replicas, GATEWAY_MAX_BODY_BYTES="1000"):
        async with front.client() as client:
            body = {"text": "x" * 1000}
            async with client.session.post(client.url + "/v1/documents", json=body) as response:
                refused = (413, "too_large", "the request has more than 1000 bytes")
                assert await refusal(response) == refused
        assert (await front.served(1))[-1]["replica"] == ""


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
                assert await refusal(response) == (404, "not_found", "no such route"), path
        served = await front.served(len(PRIVATE) + len(AROUND))
        assert {line["replica"] for line in served} == {""}, "a server was asked"
        assert (await outside.with_key(front.key).get("/v1/models"))[0] == 200
    async with front.client(ADMIN_KEY) as inside:
        for path in PRIVATE:
            assert (await inside.get(path))[0] == 200, path


async def test_a_balancer_before_the_gateway_is_believed_if_it_is_named(replicas: Replicas):
    for front in started(
        replicas, GATEWAY_TRUSTED_PROXIES="127.0.0.1", GATEWAY_ADMIN_NETWORKS="10.1.0.0/16"
    ):
        async with front.client(ADMIN_KEY) as client:
            for address, expected in (("10.1.2.3", 200), ("203.0.113.9", 404)):
                headers = {"x-forwarded-for": f"127.0.0.1, {address}"}
                assert (await client.get("/metrics", headers=headers))[0] == expected


async def test_connections_of_one_client_are_counted(replicas: Replicas):
    for front in started(replicas, GATEWAY_CONNECTIONS_PER_CLIENT="2"):
        async with (
            model(replicas, SLOW),
            front.client() as client,
            front.client(source="127.0.0.2") as another,
            streamed(client),
            streamed(client),
        ):
            async with client.session.get(client.url + "/v1/models") as response:
                code, message = "rate_limit_exceeded", "too many connections from this address"
                assert await refusal(response) == (429, code, message)
                assert response.headers["retry-after"] == "1"
            assert (await another.get("/v1/models"))[0] == 200


async def test_in_the_clear_there_is_nothing_but_the_way_to_https(front: Front):
    plain = front.gateway.plain_url
    async with aiohttp.ClientSession() as session:
        async with session.get(plain + "/v1/models") as response:
            assert await refusal(response) == (422, "invalid_request", "use https")
        async with session.get(plain + "/console", allow_redirects=False) as response:
            assert (response.status, response.headers["location"]) == (
                308,
                "https://127.0.0.1/console",
            )
