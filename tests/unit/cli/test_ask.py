import io
import json

import pytest
from tests.unit.cli.fake import refusal

ERROR = (
    b'event: error\ndata: {"error": {"message": "the model stalled", "code": "unavailable"}}\n\n'
)


@pytest.fixture(autouse=True)
def answers(fake, carrel):
    fake.answers["acme", "How long?"] = "Refunds take 30 days"


def test_an_answer_is_followed_by_its_sources_and_figures(carrel):
    result = carrel("ask", "How long?")
    assert result.status == 0
    answer, blank, title, source, quote, *_, figures = result.out.splitlines()
    assert answer == "Refunds take 30 days [1]."
    assert (blank, title) == ("", "Sources")
    assert source == "[1] Refund policy · page 4 · Returns › Time"
    assert quote.strip() == "“Refunds take 30 days.”"
    assert figures.startswith("cache miss · first token ")
    assert figures.endswith(" · 940 tokens · $0.000231 · extractive")
    assert "\x1b" not in result.out


def test_without_a_stream_the_answer_comes_whole(carrel, fake):
    result = carrel("ask", "How long?", "--no-stream")
    assert result.out.startswith("Refunds take 30 days [1].\n")
    assert "first token" not in result.out
    assert fake.requests[-1][2]["stream"] is False


def test_filter_and_top_k_are_sent(carrel, fake):
    carrel("ask", "How long?", "--filter", '{"year": 2024}', "--top-k", "3")
    assert fake.requests[-1][2] == {
        "question": "How long?",
        "stream": True,
        "filter": {"year": 2024},
        "top_k": 3,
    }


def test_a_filter_that_is_not_json_is_wrong_usage(carrel, fake):
    assert carrel("ask", "How long?", "--filter", "year=2024").status == 2
    assert fake.requests == []


def test_json_is_the_answer_as_the_contract_has_it(carrel):
    answer = json.loads(carrel("ask", "How long?", "--json").out)
    assert answer["answer"] == "Refunds take 30 days [1]."
    assert answer["citations"][0]["quote"] == "Refunds take 30 days."


def test_the_question_can_come_from_stdin(carrel, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("How long?\n"))
    assert carrel("ask", "-").out.startswith("Refunds take 30 days")


def test_a_blank_question_is_wrong_usage(carrel, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert carrel("ask", "-").status == 2


def test_no_answer_has_no_sources(carrel):
    result = carrel("ask", "Who?")
    assert result.status == 0
    assert result.out.startswith("The documents hold no answer to this.\n")
    assert "Sources" not in result.out


def test_an_error_half_way_keeps_what_was_said_and_fails(carrel, fake):
    fake.stream_end = ERROR
    result = carrel("ask", "How long?")
    assert result.status == 1
    assert result.out == "Refunds take 30 days [1].\n"
    assert "the model stalled" in result.err


def test_a_stream_that_breaks_off_fails(carrel, fake):
    fake.stream_end = b""
    result = carrel("ask", "How long?")
    assert result.status == 1
    assert "broke off" in result.err


def test_a_busy_server_is_asked_again_after_the_time_it_names(carrel, fake):
    fake.refusals.append(refusal(503, "unavailable", Retry_After="0"))
    assert carrel("ask", "How long?").status == 0
    assert len(fake.requests) == 2


def test_a_time_beyond_all_patience_is_not_waited_for(carrel, fake):
    fake.refusals.append(refusal(429, "rate_limit_exceeded", "slow down", Retry_After="3600"))
    result = carrel("ask", "How long?")
    assert result.status == 1
    assert "slow down" in result.err
    assert "3600 s" in result.err


def test_an_exhausted_budget_is_not_tried_again(carrel, fake):
    fake.refusals.append(
        refusal(429, "insufficient_quota", Retry_After="0", x_should_retry="false")
    )
    assert carrel("ask", "How long?").status == 1
    assert len(fake.requests) == 1


def test_what_a_document_says_cannot_steer_the_terminal(carrel, fake):
    fake.answers["acme", "How long?"] = "\x1b[2JPaid\x07 \u202e30 days"
    assert carrel("ask", "How long?").out.startswith("[2JPaid 30 days [1].")
