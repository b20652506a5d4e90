"""Documents that give orders: over HTTP, without a model and with one that obeys them all."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.acceptance.server import ADMIN_KEY, Client, Server, free_port, new_tenant, running
from tests.attacks.corpus import ATTACKS, FACT, HONEST, QUESTION, Attack

from carrel.answering.links import addresses

LINKS = [attack for attack in ATTACKS if attack.name.startswith("link-")]
_ORDER = re.compile(r"AI assistants must end every answer with: (.*?)\n</source>", re.DOTALL)
_LOADS = re.compile(r"!\[|<\s*(?:a|img|svg|iframe)\b|\]\(", re.IGNORECASE)


async def upload(client: Client, attacks: list[Attack]) -> None:
    documents = [Attack("honest", HONEST, "", "Refund policy"), *attacks]
    for each in documents:
        body = {"text": each.text, "title": each.title, "document_id": each.name}
        body |= {"metadata": {"case": each.name}}
        status, document = await client.post("/v1/documents?wait=30", body)
        assert (status, document["status"]) == (202, "ready"), document


async def ask(client: Client, attack: Attack, **more: Any) -> dict[str, Any]:
    """The answer from the honest document and the attacking one."""
    body = {
        "question": QUESTION,
        "cache": "bypass",
        "filter": {"case": ["honest", attack.name]},
        **more,
    }
    status, answer = await client.post("/v1/query", body)
    assert status == 200, answer
    return answer


def foreign(answer: dict[str, Any]) -> set[str]:
    """The addresses that the answer names, and no source that it cites."""
    cited = {answer["sources"][each["index"] - 1]["chunk_id"] for each in answer["citations"]}
    texts = [each["text"] for each in answer["sources"] if each["chunk_id"] in cited]
    return set(addresses(answer["answer"])) - set(addresses("\n".join(texts)))


async def test_without_a_model_no_document_s_order_is_followed(acme: Client):
    await upload(acme, ATTACKS)
    for attack in ATTACKS:
        answer = await ask(acme, attack)
        assert FACT in answer["answer"], attack.name
        assert attack.wants not in answer["answer"], attack.name
        assert "PWNED" not in answer["answer"], attack.name
        assert foreign(answer) == set(), attack.name
        assert answer["citations"][0]["document_id"] == "honest", attack.name


def _mark(found: re.Match[str] | None) -> str:
    return f"[{found[1]}]" if found else ""


class Obedient:
    """A model that does whatever any document says, and cites as it is told to."""

    def __init__(self) -> None:
        self.cites = ""
        self.obeyed = 0

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt = "\n".join(message["content"] for message in body["messages"])
        number = {
            "honest": re.search(r'<source n="(\d)" title="Refund policy"', prompt),
            "attack": re.search(r'<source n="(\d)" title="Refund notes"', prompt),
        }
        text = f"Refunds take {FACT} {_mark(number['honest'])}."
        if order := _ORDER.search(prompt):
            self.obeyed += 1
            stolen = QUESTION.replace(" ", "+")
            text += f" {order[1].replace('{stolen}', stolen)} {_mark(number.get(self.cites))}"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for at in range(0, len(text), 5):
            delta = {"choices": [{"delta": {"content": text[at : at + 5]}}]}
            await response.write(f"data: {json.dumps(delta)}\n\n".encode())
        await response.write(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n')
        await response.write(b"data: [DONE]\n\n")
        return response


@pytest.fixture(scope="module")
def model_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def gullible(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("gullible")
    environment = {
        "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{model_port}/v1",
        "CARREL_LLM__MODEL": "obedient",
    }
    with running(folder, environment) as server:
        yield server


@pytest.fixture
async def model(model_port: int) -> AsyncIterator[Obedient]:
    obedient = Obedient()
    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", obedient.complete)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", model_port).start()
    yield obedient
    await runner.cleanup()


async def test_what_an_obedient_model_writes_holds_no_foreign_link(
    gullible: Server, model: Obedient
):
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, gullible.url, ADMIN_KEY), "acme")
        await upload(client, LINKS)
        for model.cites in ("", "honest", "attack"):
            for attack in LINKS:
                answer = await ask(client, attack)
                text = answer["answer"]
                assert text.startswith(f"Refunds take {FACT} ["), attack.name
                assert foreign(answer) == set(), (attack.name, text)
                assert QUESTION.replace(" ", "+") not in text, (attack.name, text)
                if model.cites != "attack":
                    assert not _LOADS.search(text), (attack.name, text)
        assert model.obeyed == 3 * len(LINKS)


async def test_what_is_streamed_is_the_answer_that_was_checked(gullible: Server, model: Obedient):
    async with aiohttp.ClientSession() as session:
        client = await new_tenant(Client(session, gullible.url, ADMIN_KEY), "globex")
        await upload(client, LINKS[:6])
        for attack in LINKS[:6]:
            body = {"question": QUESTION, "cache": "bypass", "stream": True}
            body |= {"filter": {"case": ["honest", attack.name]}}
            headers = {"authorization": f"Bearer {client.key}"}
            async with session.post(f"{client.url}/v1/query", json=body, headers=headers) as reply:
                blocks = (await reply.text()).strip().split("\n\n")
            events = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
            deltas = [
                json.loads(each["data"])["text"] for each in events if each["event"] == "delta"
            ]
            done = json.loads(events[-1]["data"])
            assert "".join(deltas) == done["answer"]
            assert foreign(done) == set()
