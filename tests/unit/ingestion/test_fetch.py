"""The table of tricks: each is refused, and nothing private is ever connected to."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_network

import pytest
from aiohttp import web
from tests.unit.ingestion.fetch_tricks import MALFORMED, NAMES, PRIVATE, PUBLIC

from carrel.domain.errors import InvalidRequest
from carrel.ingestion.fetch.address import is_allowed
from carrel.ingestion.fetch.failure import FetchFailed, FetchRefused
from carrel.ingestion.fetch.fetcher import Fetcher
from carrel.ingestion.fetch.target import check_url, find_target

LOOPBACK = [ip_network("127.0.0.0/8")]


def resolving(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def unresolved(host: str, port: int) -> Sequence[str]:
    raise AssertionError(f"{host} was resolved")


@pytest.mark.parametrize("url", MALFORMED)
async def test_a_trick_in_the_url_is_refused_before_anything_is_resolved(url: str):
    with pytest.raises(InvalidRequest):
        check_url(url)
    with pytest.raises(FetchRefused):
        await find_target(url, (), unresolved)


@pytest.mark.parametrize("address", PRIVATE)
async def test_an_address_that_is_not_public_is_refused_however_it_is_reached(address: str):
    assert not is_allowed(ip_address(address))
    literal = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    with pytest.raises(FetchRefused):
        await find_target(literal, (), unresolved)
    for found in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        with pytest.raises(FetchRefused):
            await find_target("http://rebinding.example/", (), resolving(*found))


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_fetched_from(address: str):
    assert is_allowed(ip_address(address))
    target = await find_target("https://example.com/a", (), resolving(address))
    assert (target.addresses, target.port) == ((ip_address(address),), 443)


@pytest.mark.parametrize("name", NAMES)
async def test_names_of_this_machine_are_refused(name: str):
    with pytest.raises(FetchRefused):
        await find_target(f"http://{name}/", (), resolving("127.0.0.1"))


@pytest.mark.parametrize(
    "url",
    [
        "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020\u30020\u30021/",
    ],
)
async def test_digits_of_other_scripts_are_the_address_that_they_look_like(url: str):
    with pytest.raises(FetchRefused):
        await find_target(url, (), resolving("127.0.0.1"))


async def test_a_host_without_an_address_may_have_one_later():
    with pytest.raises(FetchFailed):
        await find_target("http://example.com/", (), resolving())


class Site:
    """A server on loopback that says what it was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[web.Request] = []

    def url(self, path: str) -> str:
        return f"http://docs.example:{self.port}{path}"

    def fetcher(self, **options) -> Fetcher:
        chosen = {"max_bytes": 1000, "timeout_seconds": 5, "networks": LOOPBACK}
        return Fetcher(**{**chosen, "resolve": resolving("127.0.0.1"), **options})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    # The port is known once it listens; the handlers look it up.
    found = Site(0)

    async def answer(request: web.Request) -> web.StreamResponse:
        found.asked.append(request)
        return await _answer(request, found)

    application.router.add_get("/{name:.*}", answer)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


async def _answer(request: web.Request, site: Site) -> web.StreamResponse:
    name = request.match_info["name"]
    if name == "page.html":
        return web.Response(text="<h1>Fees</h1>", content_type="text/html")
    if name.startswith("to/"):
        return web.Response(status=302, headers={"location": request.query["u"]})
    if name == "loop":
        return web.Response(status=302, headers={"location": "/loop"})
    if name == "zipped":
        return web.Response(body=gzip.compress(b"x" * 9), headers={"content-encoding": "gzip"})
    if name == "large":
        return web.Response(body=b"x" * 1001)
    if name == "endless":
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100)
            await asyncio.sleep(0.01)
    if name == "silent":
        await asyncio.sleep(60)
    return web.Response(status=int(name))


async def fetched(fetcher: Fetcher, url: str) -> bytes:
    async with fetcher.fetch(url) as document:
        return b"".join([piece async for piece in document.pieces])


async def test_a_page_is_fetched_with_its_type_and_name_and_nothing_of_ours(site: Site):
    async with site.fetcher().fetch(site.url("/page.html")) as document:
        assert document.media_type.startswith("text/html")
        assert document.filename == "page.html"
        assert b"".join([piece async for piece in document.pieces]) == b"<h1>Fees</h1>"
    [request] = site.asked
    assert request.host == f"docs.example:{site.port}"
    assert not {"authorization", "cookie", "referer"} & {name.lower() for name in request.headers}


async def test_the_name_is_resolved_once_for_each_hop(site: Site):
    calls: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        calls.append(host)
        return ["127.0.0.1"]

    url = site.url(f"/to/?u=http://other.example:{site.port}/page.html")
    assert await fetched(site.fetcher(resolve=resolve), url) == b"<h1>Fees</h1>"
    assert calls == ["docs.example", "other.example"]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "http://0x7f.1/",
        "http://user:password@docs.example/",
        "//192.168.0.1/",
        "gopher://docs.example/",
        "http://[",
    ],
)
async def test_a_redirect_is_judged_like_the_url_itself(site: Site, location: str):
    with pytest.raises(FetchRefused):
        await fetched(site.fetcher(), site.url("/to/?u=" + location.replace("&", "%26")))
    assert len(site.asked) == 1


async def test_a_redirect_to_a_name_that_leads_inside_is_refused(site: Site):
    async def resolve(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"] if host == "docs.example" else ["10.0.0.7"]

    with pytest.raises(FetchRefused):
        await fetched(site.fetcher(resolve=resolve), site.url("/to/?u=http://inside.example/"))


@pytest.mark.parametrize("path", ["/loop", "/zipped", "/large", "/404", "/403", "/304", "/204"])
async def test_what_will_not_change_is_refused_for_good(site: Site, path: str):
    with pytest.raises(FetchRefused):
        await fetched(site.fetcher(), site.url(path))


@pytest.mark.parametrize("path", ["/500", "/503", "/429", "/408"])
async def test_what_may_pass_is_tried_again(site: Site, path: str):
    with pytest.raises(FetchFailed):
        await fetched(site.fetcher(), site.url(path))


@pytest.mark.parametrize("path", ["/endless", "/silent"])
async def test_a_slow_server_costs_its_time_and_no_more(site: Site, path: str):
    with pytest.raises(FetchFailed, match=r"more than 0\.3 seconds"):
        await fetched(site.fetcher(timeout_seconds=0.3), site.url(path))


async def test_without_a_word_from_the_operator_loopback_is_refused(site: Site):
    with pytest.raises(FetchRefused):
        await fetched(site.fetcher(networks=[]), site.url("/page.html"))
    assert site.asked == []
