"""A real Prometheus scrapes real servers, and evaluates every rule and every panel."""

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import yaml
from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from scripts.dashboard_panels import ROWS
from tests import promql, services
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running

# The rules as they are, with all time shrunk: windows of hours become seconds, none waits.
WINDOW = "20s"
# What never happens to a server that is well, or needs what it has not: an embedding service, a
# reranker, budgets, a collector. The worker's metrics are in its own process.
QUIET = (
    "semantic_cand|feedback|embedding_tok|fallbacks|breakers|refusals|reservations|trace_spans"
    "|checked_out|passed_over|upstream_retries|carrel_jobs_total|job_seconds|ingestion_seconds"
)
QUERIES = [query for row in ROWS.values() for panel in row for query in panel.queries.values()]


def hurried(rules: list[str]) -> str:
    """All rules in one file, over windows of seconds, each alert at once."""
    groups: list[dict[str, Any]] = []
    for text in rules:
        groups += yaml.safe_load(text)["groups"]
    for group in groups:
        group["interval"] = "500ms"
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[\w+\]", f"[{WINDOW}]", rule["expr"])
            rule.pop("for", None)
    return yaml.safe_dump({"groups": groups})


@pytest.fixture(scope="module")
def upstream_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory, upstream_port: int
) -> Iterator[tuple[Server, Server]]:
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CARREL_LLM__MODEL": "small",
        "CARREL_PRICES": '{"small": {"input": 1, "output": 2}}',
    }
    with (
        running(tmp_path_factory.mktemp("one"), environment) as one,
        running(tmp_path_factory.mktemp("two"), environment) as two,
    ):
        yield one, two


@pytest.fixture(scope="module")
def prometheus(servers: tuple[Server, Server]) -> Iterator[str]:
    targets = [f"127.0.0.1:{server.port}" for server in servers]
    settings = {
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "carrel", "static_configs": [{"targets": targets}]}],
    }
    rules = hurried([path.read_text() for path in promql.RULES])
    try:
        with services.prometheus(yaml.safe_dump(settings), rules) as started:
            until_scraped(started.url)
            yield started.url
    except services.MissingProgramError as missing:
        pytest.skip(str(missing))


def until_scraped(url: str) -> None:
    """Returns once both servers are: what they count before that is no increase."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/api/v1/targets") as response:
            targets = json.load(response)["data"]["activeTargets"]
        if [target["health"] for target in targets] == ["up", "up"]:
            return
        time.sleep(0.2)
    raise AssertionError(targets)


async def api(url: str, path: str, **params: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/{path}", params=params) as response,
    ):
        body = await response.json()
        assert body["status"] == "success", body
        return body["data"]


async def alerts(url: str, *, wanted: str) -> list[dict[str, Any]]:
    """The alerts of that name that fire, once one does."""
    async with asyncio.timeout(60):
        while True:
            firing = (await api(url, "alerts"))["alerts"]
            if found := [each for each in firing if each["labels"]["alertname"] == wanted]:
                return found
            await asyncio.sleep(0.2)


async def traffic(server: Server, upstream_port: int) -> Client:
    """Documents and questions, in all their ways; a client of the tenant."""
    async with (
        Simulator(Behaviour(ttft_ms=5, tokens_per_second=2000), port=upstream_port),
        aiohttp.ClientSession() as session,
    ):
        client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        await client.post("/v1/documents?wait=30", {"text": "Refunds take 30 days."})
        for stream in (True, False):
            asked = {"question": "How long do refunds take?", "stream": stream}
            for _ in range(2):
                assert (await client.post("/v1/query", asked))[0] == 200
        return client


async def test_every_server_is_scraped_every_rule_evaluated_and_every_panel_drawn(
    prometheus: str, servers: tuple[Server, Server], upstream_port: int
) -> None:
    await traffic(servers[0], upstream_port)
    await until(lambda: all_are_evaluated(prometheus))
    for _ in range(30):
        lines = await asyncio.gather(*(drawn(prometheus, query) for query in QUERIES))
        every = zip(QUERIES, lines, strict=True)
        blank = [query for query, number in every if not number and not may_be_empty(query)]
        if not blank:
            break
        await traffic(servers[0], upstream_port)
        await asyncio.sleep(1)
    assert not blank
    firing = {each["labels"]["alertname"] for each in (await api(prometheus, "alerts"))["alerts"]}
    assert firing <= {"CarrelEventLoopLag", "CarrelFirstTokenBurn"}  # of a busy machine
    rules = await evaluated(prometheus)
    assert len(rules) == len([*promql.rules()])
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.2)


async def all_are_evaluated(url: str) -> bool:
    return all(rule["health"] != "unknown" for rule in await evaluated(url))


async def evaluated(url: str) -> list[dict[str, Any]]:
    return [rule for group in (await api(url, "rules"))["groups"] for rule in group["rules"]]


def may_be_empty(query: str) -> bool:
    """Whether a server that is well has nothing to draw there, or none that is merged yet."""
    return bool(promql.unknown(query, promql.known()) or re.search(QUIET, query))


async def drawn(prometheus: str, query: str) -> int:
    """How many lines a panel has; Grafana asks likewise."""
    text = re.sub(r"\$__rate_interval|\b1[hd]\b", "30s", query)
    data = await api(prometheus, "query", query=text)
    return len(data["result"])


async def test_a_model_that_is_away_burns_the_error_budget_until_somebody_is_told(
    prometheus: str, servers: tuple[Server, Server], upstream_port: int
) -> None:
    server = servers[1]
    await traffic(server, upstream_port)
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, server.url, ADMIN_KEY), "acme")
        await client.post("/v1/documents?wait=30", {"text": "Refunds take 30 days."})
        for _ in range(40):  # no simulator runs
            asked = {"question": "How long do refunds take?", "cache": "bypass"}
            status, _ = await client.post("/v1/query", asked)
            assert status == 503
            await asyncio.sleep(0.1)
    found = await alerts(prometheus, wanted="CarrelAvailabilityBurn")
    assert {each["labels"]["severity"] for each in found} == {"page", "ticket"}
    assert all("runbook.md#" in each["annotations"]["runbook_url"] for each in found)


async def test_a_server_that_is_killed_is_missed(
    prometheus: str, servers: tuple[Server, Server]
) -> None:
    servers[1].kill()
    (found,) = await alerts(prometheus, wanted="CarrelReplicaDown")
    assert found["labels"]["instance"] == f"127.0.0.1:{servers[1].port}"
    assert found["labels"]["severity"] == "ticket"
