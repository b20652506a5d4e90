"""Documents that come as URLs, over HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from tests.acceptance.server import ADMIN_KEY, Client, new_tenant, running

PAGE = "<html><head><title>Fees of 2026</title></head><body><h1>Fees</h1><p>{}</p></body></html>"


@dataclass
class Site:
    url: str = ""
    fee: str = "The fee is 7 euros."
    asked: int = 0


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()

    async def page(request: web.Request) -> web.Response:
        found.asked += 1
        return web.Response(text=PAGE.format(found.fee), content_type="text/html")

    application = web.Application()
    application.router.add_get("/fees", page)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Client]:
    """A tenant of a server that may fetch from this machine."""
    with running(tmp_path, {"CARREL_INGESTION__FETCH_NETWORKS": "127.0.0.0/8"}) as server:
        async with aiohttp.ClientSession() as session:
            yield await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")


async def test_a_page_is_fetched_titled_and_fetched_anew(tenant: Client, site: Site):
    sent = {"url": f"{site.url}/fees", "document_id": "fees"}
    status, document = await tenant.post("/v1/documents?wait=30", sent)
    assert (status, document["status"]) == (202, "ready"), document
    assert (document["title"], document["media_type"]) == ("Fees of 2026", "text/html")
    assert document["bytes"] == len(PAGE.format(site.fee))
    _, found = await tenant.post("/v1/search", {"query": "fee"})
    assert found["hits"][0]["title"] == "Fees of 2026"

    site.fee = "The fee is 9 euros."
    _, document = await tenant.post("/v1/documents?wait=30", sent)
    assert (document["version"], site.asked) == (2, 2)
    _, found = await tenant.post("/v1/search", {"query": "fee"})
    assert "9 euros" in found["hits"][0]["text"]
    status, _ = await tenant.call("DELETE", "/v1/documents/fees")
    assert status == 204


async def test_what_is_not_there_fails_with_the_reason(tenant: Client, site: Site):
    sent = {"url": f"{site.url}/none"}
    _, document = await tenant.post("/v1/documents?wait=30", sent)
    assert document["error"] == "the URL was not fetched: its server answered 404"
    status, _ = await tenant.call("DELETE", f"/v1/documents/{document['id']}")
    assert status == 204


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254"])
async def test_private_addresses_are_not_fetched_from(acme: Client, host: str):
    _, document = await acme.post("/v1/documents?wait=30", {"url": f"http://{host}:8080/"})
    assert document["status"] == "failed"
    assert "not on the public internet" in document["error"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://a:b@example.com/", "http://0x7f.1"])
async def test_urls_that_cannot_be_fetched_are_refused_at_once(acme: Client, url: str):
    status, said = await acme.post("/v1/documents", {"url": url})
    assert (status, said["error"]["param"]) == (422, "url")


async def test_a_text_and_a_url_are_not_sent_together(acme: Client):
    for body in ({"text": "a", "url": "https://example.com"}, {"title": "a"}):
        status, _ = await acme.post("/v1/documents", body)
        assert status == 422
