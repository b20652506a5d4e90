import asyncio
import json
from contextlib import aclosing

import pytest
from tests.unit.cli.fake import refusal

from carrel.cli.client import Client
from carrel.cli.exchange import follow
from carrel.cli.failure import ApiError, Failure, Unreachable
from carrel.cli.streaming import BEGINS_AGAIN, TRIES
from carrel.cli.wire import Answer, Cut, Delta, Sources


@pytest.fixture
async def client(fake):
    async with Client(fake.url, fake.tenant_of("acme")) as opened:
        yield opened


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("text")
    return path


async def test_a_document_goes_in_is_ready_and_is_deleted(client, fake, text):
    queued = await client.upload(text, document_id="a/b.txt", title="A", metadata={"year": 1})
    assert (queued.id, queued.status, queued.metadata) == ("a/b.txt", "queued", {"year": 1})
    assert fake.requests[-1][2]["title"] == "A"
    ready = await client.document("a/b.txt", wait_seconds=5)
    assert (ready.settled, ready.chunks) == (True, 3)
    assert fake.requests[-1][1] == "/v1/documents/a/b.txt?wait=5"
    await client.delete_document("a/b.txt")
    with pytest.raises(ApiError) as missing:
        await client.document("a/b.txt")
    assert (missing.value.status, missing.value.code) == (404, "not_found")
    assert missing.value.request_id == "req_1"


async def test_an_upload_that_is_put_off_is_sent_whole_again(client, fake, text):
    fake.refusals.append(refusal(503, "unavailable", Retry_After="0"))
    await client.upload(text, document_id="a.txt")
    assert [body["content"] for _, _, body in fake.requests] == [b"text", b"text"]


async def test_a_search_finds_sources(client):
    (found,) = await client.search("refunds", top_k=1)
    assert (found.title, found.page, found.score) == ("Refund policy", 4, 0.83)


async def test_a_stream_has_sources_then_deltas_then_the_whole(client, fake):
    fake.answers["acme", "How long?"] = "30 days"
    kinds, said = [], ""
    async with aclosing(client.stream("How long?")) as stream:
        async for event in stream:
            kinds.append(type(event))
            said += event.text if isinstance(event, Delta) else ""
    assert kinds == [Sources, Delta, Delta, Answer]
    assert said == "30 days [1]."


async def test_following_an_answer_measures_it(client, fake):
    fake.answers["acme", "How long?"] = "30 days"
    pieces: list[str] = []
    exchange = await follow(client, "How long?", pieces.append, top_k=2)
    assert "".join(pieces) == exchange.answer.answer
    assert exchange.first_token_ms is not None
    assert 0 < exchange.first_token_ms <= exchange.total_ms


async def test_an_answer_that_begins_again_says_so(client, fake):
    pieces: list[str] = []
    fake.stream_end = b"event: restart\ndata: {}\n\n"
    with pytest.raises(Unreachable, match="broke off"):  # for the fake says no more
        await follow(client, "How long?", pieces.append)
    assert pieces[-1] == BEGINS_AGAIN


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch):
    monkeypatch.setattr("carrel.cli.streaming.FIRST_PAUSE_SECONDS", 0.001)


async def test_a_stream_that_broke_is_read_on_after_its_last_event(client, fake):
    fake.answers["acme", "How long?"] = "30 days"
    fake.resumes = True
    fake.cuts = [1, 2]  # after so many events
    said, cuts = [], []
    exchange = await follow(client, "How long?", said.append, lambda: cuts.append(len(said)))
    assert "".join(said) == exchange.answer.answer == "30 days [1]."
    assert cuts == [0, 1]
    resumed = [(method, path) for method, path, _ in fake.requests[1:]]
    assert resumed == [("GET", "/v1/query/ans_1/events")] * 2
    assert fake.last_event_ids == ["1", "2"]


async def test_a_server_that_shuts_down_has_its_stream_read_on(client, fake):
    fake.answers["acme", "How long?"] = "30 days"
    fake.resumes = True
    error = {"error": {"message": "closing", "code": "unavailable"}, "resume": {}}
    fake.stream_end = b"id: 500003\nevent: error\ndata: " + json.dumps(error).encode() + b"\n\n"
    kinds = [type(each) async for each in client.stream("How long?")]
    assert kinds == [Sources, Delta, Delta, Cut, Answer]


async def test_a_stream_that_is_lost_for_good_is_tried_a_few_times(client, fake):
    fake.resumes = True
    fake.cuts = [1] * 100
    with pytest.raises(Unreachable, match="broke off"):
        await follow(client, "How long?", lambda _: None)
    assert len(fake.requests) == 1 + TRIES


async def test_events_of_a_kind_that_nobody_knows_yet_are_passed_over(client, fake):
    fake.stream_end = b'event: thought\ndata: {"text": "hm"}\n\n'
    with pytest.raises(Unreachable, match="broke off"):
        await follow(client, "How long?", lambda _: None)


async def test_a_server_that_stops_answering_is_said_to_have(client, fake, monkeypatch):
    monkeypatch.setattr("carrel.cli.connection.SILENCE_TIMEOUT_SECONDS", 0.05)

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Client(url) as impatient:
        assert not await impatient.is_ready()
        with pytest.raises(Unreachable, match="did not answer in time"):
            await impatient.search("anything")


async def test_readiness_is_what_the_server_says(client, unused_tcp_port):
    assert await client.is_ready()
    async with Client(f"http://127.0.0.1:{unused_tcp_port}") as nobody:
        assert not await nobody.is_ready()


@pytest.mark.parametrize("key", ["crl_\n1", "crl_é"])
def test_a_key_that_no_header_can_hold_is_refused(key):
    with pytest.raises(Failure):
        Client("http://127.0.0.1", key)
