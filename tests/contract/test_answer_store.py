"""One suite over both stores of answers: this process's memory, and Redis."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import pytest

from carrel.caching.entry import Entry, evidence_of
from carrel.caching.fingerprint import Fingerprint
from carrel.caching.memory import OVERHEAD_BYTES, MemoryAnswers
from carrel.caching.redis import RedisAnswers
from carrel.caching.store import AnswerStore
from carrel.domain.answer import Answer, Citation, TokenUsage
from carrel.domain.document import Passage
from carrel.domain.ids import AnswerId, ChunkId, DocumentId, TenantId
from carrel.redis.client import RedisClient

ACME, GLOBEX = TenantId("ten_acme"), TenantId("ten_globex")
NAME, OTHER = Fingerprint("aa" * 24), Fingerprint("bb" * 24)


def passage(document: str = "policy", text: str = "Refunds take 30 days.") -> Passage:
    return Passage(
        chunk_id=ChunkId(f"chunk-{document}"),
        document_id=DocumentId(document),
        version=3,
        title="Policy",
        text=text,
        start=10,
        end=10 + len(text),
        heading="Refunds › Time",
        page=4,
        content_hash="cafe",
        score=0.5,
        cosine=0.25,
        metadata={"tags": ["a", "b"], "year": 2024, "draft": False},
    )


def entry(answer_id: str = "ans_1", *sources: Passage) -> Entry:
    found = sources or (passage(),)
    citation = Citation(
        1, found[0].chunk_id, found[0].document_id, "Policy", 4, "Refunds", 10, 31, found[0].text
    )
    answer = Answer(
        id=AnswerId(answer_id),
        text="Refunds take 30 days [1]. " * 60,
        model="small",
        finish_reason="stop",
        citations=(citation,),
        sources=found,
        usage=TokenUsage(900, 40, 9, 231),
    )
    return Entry(answer, evidence_of(found), 7, 1_700_000_000.5, 231)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AnswerStore]:
    if request.param == "memory":
        yield MemoryAnswers(max_bytes=1_000_000, ttl_seconds=60)
        return
    client = RedisClient(request.getfixturevalue("redis_url"), budget_seconds=5)
    await client.call("FLUSHDB")
    yield RedisAnswers(client, ttl_seconds=60)
    await client.close()


async def test_what_is_put_is_got_whole(store: AnswerStore):
    assert await store.get(ACME, NAME) is None
    await store.put(ACME, NAME, entry())
    assert await store.get(ACME, NAME) == entry()
    assert await store.get(ACME, OTHER) is None


async def test_no_tenant_has_what_another_put(store: AnswerStore):
    await store.put(ACME, NAME, entry())
    assert await store.get(GLOBEX, NAME) is None
    assert await store.find(GLOBEX, AnswerId("ans_1")) is None
    assert await store.drop(GLOBEX, AnswerId("ans_1")) is None
    await store.drop_document(GLOBEX, DocumentId("policy"))
    await store.clear(GLOBEX)
    assert await store.count(GLOBEX) == 0
    assert await store.get(ACME, NAME) == entry()


async def test_a_newer_answer_takes_the_place_of_the_older(store: AnswerStore):
    await store.put(ACME, NAME, entry("ans_1"))
    await store.put(ACME, NAME, entry("ans_2"))
    assert await store.get(ACME, NAME) == entry("ans_2")


async def test_an_answer_is_found_by_its_id_while_it_is_kept(store: AnswerStore):
    await store.put(ACME, NAME, entry("ans_1"))
    assert await store.find(ACME, AnswerId("ans_1")) == entry("ans_1")
    await store.put(ACME, NAME, entry("ans_2"))
    assert await store.find(ACME, AnswerId("ans_1")) is None
    assert await store.find(ACME, AnswerId("ans_2")) == entry("ans_2")


async def test_an_answer_is_dropped_by_its_id(store: AnswerStore):
    await store.put(ACME, NAME, entry("ans_1"))
    await store.put(ACME, OTHER, entry("ans_2"))
    assert await store.drop(ACME, AnswerId("ans_1")) == (NAME, entry("ans_1"))
    assert await store.drop(ACME, AnswerId("ans_1")) is None
    assert await store.get(ACME, NAME) is None
    assert await store.get(ACME, OTHER) == entry("ans_2")


async def test_answers_go_with_a_document_that_they_were_written_from(store: AnswerStore):
    both = entry("ans_1", passage("policy"), passage("terms"))
    await store.put(ACME, NAME, both)
    await store.put(ACME, OTHER, entry("ans_2", passage("policy")))
    await store.drop_document(ACME, DocumentId("terms"))
    assert await store.get(ACME, NAME) is None
    assert await store.get(ACME, OTHER) is not None


async def test_all_answers_of_a_tenant_are_cleared(store: AnswerStore):
    for number in range(20):
        await store.put(ACME, Fingerprint(f"{number:048x}"), entry(f"ans_{number}"))
    await store.put(GLOBEX, NAME, entry())
    assert await store.count(ACME) > 0
    await store.clear(ACME)
    assert await store.count(ACME) == 0
    assert await store.get(GLOBEX, NAME) is not None


async def test_every_key_in_redis_expires_and_names_its_tenant(redis_url: str):
    client = RedisClient(redis_url, budget_seconds=5)
    await client.call("FLUSHDB")
    await RedisAnswers(client, ttl_seconds=60).put(ACME, NAME, entry())
    keys = await client.call("KEYS", "*")
    assert len(keys) == 3
    for key in keys:
        assert key.startswith(b"carrel:{ten_acme}:")
        assert 0 < await client.call("PTTL", key) <= 60_000
    await client.close()


async def test_what_another_version_wrote_is_no_answer(redis_url: str):
    client = RedisClient(redis_url, budget_seconds=5)
    store = RedisAnswers(client, ttl_seconds=60)
    await store.put(ACME, NAME, entry())
    for written in (b"", b"0", b"1not zlib", b"0\x81\xa1a\x01", b"9?"):
        await client.call("SET", f"carrel:{{{ACME}}}:answer:{NAME}", written)
        assert await store.get(ACME, NAME) is None
    await client.close()


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def memory(max_bytes: int, clock: Callable[[], float] = lambda: 0.0) -> MemoryAnswers:
    return MemoryAnswers(max_bytes=max_bytes, ttl_seconds=60, clock=clock)


async def test_an_answer_in_memory_ends_with_its_time():
    clock = Clock()
    store = memory(1_000_000, clock)
    await store.put(ACME, NAME, entry())
    clock.now = 59
    assert await store.get(ACME, NAME) is not None
    clock.now = 60
    assert await store.get(ACME, NAME) is None
    assert await store.count(ACME) == 0


async def test_memory_is_bounded_and_the_longest_unused_goes_first():
    store = memory(10 * (OVERHEAD_BYTES + 3_000))
    names = [Fingerprint(f"{number:048x}") for number in range(100)]
    await store.put(ACME, names[0], entry("ans_0"))
    for number, name in enumerate(names[1:], start=1):
        await store.put(ACME, name, entry(f"ans_{number}"))
        assert await store.get(ACME, names[0]) is not None  # it is used all the time
    assert 5 <= await store.count(ACME) < 20
    assert await store.get(ACME, names[1]) is None
    assert await store.drop(ACME, AnswerId("ans_1")) is None


async def test_an_answer_larger_than_the_memory_is_not_kept():
    store = memory(2_000)
    await store.put(ACME, NAME, entry())
    large = replace(entry(), answer=replace(entry().answer, id=AnswerId("ans_2"), text="x" * 3_000))
    await store.put(ACME, NAME, large)
    assert await store.get(ACME, NAME) is None
    assert await store.drop(ACME, AnswerId("ans_2")) is None
