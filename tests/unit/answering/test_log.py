"""Answers read from logs: what is there already comes as one event."""

from carrel.answering.events import Done, Restart, Sources
from carrel.answering.log import Merged, encoded, event_of
from carrel.domain.answer import Answer, TokenUsage
from carrel.domain.ids import AnswerId, GenerationId
from carrel.generation.generator import Delta
from carrel.generations.events import START, End, Offset
from carrel.generations.log import Log
from carrel.generations.reader import Reader

SOURCES = Sources((), AnswerId("ans_1"))
DONE = Done(Answer(AnswerId("ans_1"), "one", "m", "stop", (), (), TokenUsage()))


def reading(log: Log, after: Offset = START) -> Merged:
    return Merged(Reader(log, after, lambda _: None))


async def test_text_that_is_there_already_comes_as_one_event_in_the_place_of_the_last():
    log = Log(GenerationId("gen_1"), 10_000)
    log.begin(1)
    for event in (SOURCES, Delta("ö"), Delta("ne "), Delta("two"), DONE):
        log.append(encoded(event))
    log.finish(End("done"))
    items = [item async for item in reading(log)]
    assert [event_of(each) for each in items] == [SOURCES, Delta("öne two"), DONE]
    assert [each.offset for each in items] == [Offset(1, 1), Offset(1, 4), Offset(1, 5)]
    after = [event_of(each) async for each in reading(log, Offset(1, 2))]
    assert after == [Delta("ne two"), DONE]


async def test_text_is_not_waited_for():
    log = Log(GenerationId("gen_1"), 10_000)
    log.begin(1)
    merged = reading(log)
    for text in ("one", "two"):
        log.append(encoded(Delta(text)))
        assert event_of(await anext(merged)) == Delta(text)


async def test_text_of_two_attempts_is_not_mixed():
    log = Log(GenerationId("gen_1"), 10_000)
    log.begin(1)
    merged = reading(log)
    log.append(encoded(Delta("one")))
    assert event_of(await anext(merged)) == Delta("one")
    log.append(encoded(Delta("two")))
    log.begin(2)
    log.append(encoded(Delta("uno")))
    log.finish(End("done"))
    assert [event_of(each) async for each in merged] == [Restart(), Delta("uno")]
