"""Answers as streams: the ids of their events, and how they end."""

import json
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest

from carrel.answering.events import Placed, Sources
from carrel.answering.shared import AnswerCutOff
from carrel.api.native.answer_stream import AnswerStream, number_of, place_of
from carrel.domain.errors import GenerationFailed, InvalidRequest
from carrel.domain.ids import AnswerId
from carrel.generation.generator import Delta
from carrel.generations.events import Offset

PLACES = [Offset(a, n) for a in (0, 1, 2, 3, 2**40) for n in (0, 1, 83_000)]


@pytest.mark.parametrize("place", PLACES)
def test_an_id_names_its_place(place: Offset):
    number = number_of(place)
    assert place_of(str(number)) == place
    assert place_of(str(number + 500_000)) == place  # of an error after it


def test_ids_rise_from_one_and_from_attempt_to_attempt():
    assert [number_of(Offset(1, n)) for n in (1, 2, 3)] == [1, 2, 3]
    ids = [number_of(Offset(a, n)) for a in (1, 2, 3, 2**40) for n in (0, 1, 80_000)]
    assert ids == sorted({*ids})


@pytest.mark.parametrize("text", ["", "x", "-1", "+1", "1.0", " 1", "٣", "1" * 20])
def test_what_is_no_id_is_refused(text: str):
    with pytest.raises(InvalidRequest):
        place_of(text)


async def frames_of(error: Exception) -> list[dict[str, Any]]:
    async def events() -> AsyncGenerator[Placed]:
        yield Placed(Sources((), AnswerId("ans_1")), Offset(2, 1))
        yield Placed(Delta("so"), Offset(2, 4))
        raise error

    request = SimpleNamespace(state=SimpleNamespace(request_id="req_1"), scope={"state": {}})
    stream = AnswerStream(AnswerId("ans_0"), events(), request)  # type: ignore[arg-type]
    found: list[dict[str, Any]] = []
    async for frame in stream.frames():
        fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
        found.append({**fields, "data": json.loads(fields["data"])})
    return found


async def test_a_stream_that_is_cut_off_says_where_to_go_on():
    sources, delta, error = await frames_of(AnswerCutOff("closing"))
    assert (sources["id"], sources["data"]["id"]) == ("2000001", "ans_1")
    assert delta["id"] == "2000004"
    assert (error["event"], error["id"]) == ("error", "2500004")
    assert error["data"]["error"]["code"] == "unavailable"
    resume = {"url": "/v1/query/ans_1/events", "last_event_id": "2000004"}
    assert error["data"]["resume"] == resume


async def test_a_stream_whose_answer_failed_does_not():
    *_, error = await frames_of(GenerationFailed("no", reason="refused"))
    assert error["event"] == "error"
    assert "resume" not in error["data"]
