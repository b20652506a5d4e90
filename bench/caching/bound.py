"""`python -m bench.caching.bound`: memory while ever new questions are answered and kept.

Answers of some 4 kB go into the in-memory store, each under a name of its own, until 200,000 have
been; resident memory is read when the bound is reached first, and then at every tenth.
"""

import asyncio
import gc
from pathlib import Path

from carrel.caching.entry import Entry, evidence_of
from carrel.caching.fingerprint import Fingerprint
from carrel.caching.memory import MemoryAnswers
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.document import Passage
from carrel.domain.ids import AnswerId, ChunkId, DocumentId, TenantId, new_id

QUESTIONS = 200_000
MEBIBYTES = 64


def _entry(number: int) -> Entry:
    sources = tuple(
        Passage(
            chunk_id=ChunkId(f"{number:08x}-{each}"),
            document_id=DocumentId(f"document-{number % 1_000}"),
            version=1,
            title="Terms",
            text=f"Clause {number}-{each}. " + "Refunds take thirty days after the return. " * 8,
            start=0,
            end=400,
            heading="Refunds",
            page=None,
            content_hash=f"{number:064x}",
            score=0.5,
        )
        for each in range(8)
    )
    answer = Answer(
        AnswerId(new_id("ans")), f"Answer {number} [1].", "sim", "stop", (), sources, TokenUsage()
    )
    return Entry(answer, evidence_of(sources), number, 0.0, 100, question=f"Question {number}?")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


async def main() -> None:
    store = MemoryAnswers(max_bytes=MEBIBYTES * 1_048_576, ttl_seconds=86_400)
    tenant = TenantId("ten_bench")
    full_at, full = 0, 0
    held = 0
    for number in range(QUESTIONS):
        await store.put(tenant, Fingerprint(f"{number:048x}"), _entry(number))
        if not full and number % 1_000 == 999:
            now = await store.count(tenant)
            if now == held:  # as many leave as come
                gc.collect()
                full_at, full = number + 1, _resident_bytes()
                print(f"full after {full_at:,} with {now:,} answers: {full / 1e6:.1f} MB")
            held = now
        if full and (number + 1) % 20_000 == 0:
            gc.collect()
            resident = _resident_bytes()
            print(f"{number + 1:>9,}  {resident / 1e6:.1f} MB  {resident / full - 1:+.2%}")


if __name__ == "__main__":
    asyncio.run(main())
