"""What a load test makes of what it reads."""

import json
from typing import Any

import pytest
from bench.load import corpus
from bench.load.asking import Reply, _joined, event
from bench.load.judging import judged
from bench.load.plan import Plan
from bench.load.results import figures, stages

OWN, FOREIGN = corpus.marker(1), corpus.marker(2)


def streamed(source: str = f"Fees {OWN} rise.", name: str = "done", **changes: Any) -> bytes:
    done = {
        "answer": f"Fees {OWN} rise [1].",
        "finish_reason": "stop",
        "sources": [{"text": source}],
        "cache": {"status": "miss"},
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "cost_usd": "0.001",
            "saved_usd": "0",
        },
        **changes,
    }
    return f"id: 1\nevent: {name}\ndata: {json.dumps(done)}\n\n".encode()


def test_chunks_of_a_body_are_joined_as_far_as_they_came():
    assert _joined(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n") == b"hello world"
    assert _joined(b"5\r\nhello\r\n6\r\n wo") == b"hello wo"


def test_the_last_event_of_a_name_is_found():
    body = b'event: delta\ndata: {"text":"a"}\n\nid: 2\nevent: delta\ndata: {"text":"b"}\n\n'
    assert event(body, b"delta") == {"text": "b"}
    assert event(body, b"done") is None


def test_a_whole_answer_has_no_fault():
    found = judged(Reply(200, body=streamed()), OWN, "carrel")
    assert (found["fault"], found["cache"], found["cost"]) == ("", "miss", 0.001)


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (Reply(200, body=streamed(f"{FOREIGN}")), "ANOTHER TENANT'S WORDS"),
        (Reply(200, body=streamed(answer=f"{FOREIGN}")), "ANOTHER TENANT'S WORDS"),
        (Reply(503, body=FOREIGN.encode()), "ANOTHER TENANT'S WORDS"),
        (Reply(200, body=streamed("no marker")), "a source without its tenant's marker"),
        (Reply(200, body=streamed(finish_reason="no_evidence")), "refused as without evidence"),
        (Reply(200, body=b"event: delta\ndata: {}\n\n"), "in the stream: no end"),
        (Reply(429), "HTTP 429"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(reply: Reply, fault: str):
    assert judged(reply, OWN, "carrel")["fault"] == fault


def test_every_sentence_of_a_document_bears_its_tenants_marker():
    text = corpus.document(1, 0)
    paragraphs = [each for each in text.split("\n\n") if not each.startswith("#")]
    sentences = [each for paragraph in paragraphs for each in paragraph.split(". ")]
    assert all(OWN in each for each in sentences)
    assert OWN in corpus.note(1, 3)
    assert OWN in corpus.question(1, 5, documents=2)


def test_only_the_time_in_which_users_are_held_counts():
    plan = Plan(users=10, every_seconds=60, hold_seconds=30, ttft_ms=300)
    line = {"kind": "new", "status": 200, "left": False, "fault": "", "cache": "miss"}
    records = [
        {**line, "at": 1_000.0 + second, "first": 0.310, "total": 4.3, "tokens": 200}
        for second in range(99)
    ]
    records[75] |= {"fault": "HTTP 503", "cache": None}
    [stage] = stages(plan, 1_000.0, records, [])
    found = figures(plan, stage)
    assert found["questions/s"] == 1.0
    assert found["faults"] == {"HTTP 503": 1}
    assert found["added to first token, miss, p50 ms"] == 10.0
