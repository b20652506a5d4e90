import random
from collections import deque

import pytest

from carrel.limits.adaptive import LEAST, AdaptiveLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> AdaptiveLimit:
    return AdaptiveLimit(500, slow_seconds=1, clock=clock)


def second(
    limit: AdaptiveLimit, clock: Clock, first_token: float, waiting: int = 400, begun: int = 20
) -> None:
    """A second in which so many first tokens come, each so late, and so many wait."""
    for _ in range(begun):
        limit.sample(first_token)
    clock.now += 1
    limit.update([clock.now] * waiting)


def test_it_stays_while_first_tokens_come_in_time(limit: AdaptiveLimit, clock: Clock) -> None:
    for seconds in (0.5, 0.7, 0.5, 1.9):
        second(limit, clock, seconds)
    assert limit.limit == 500


def test_when_they_are_late_as_many_wait_as_can_be_begun_in_time(
    limit: AdaptiveLimit, clock: Clock
) -> None:
    second(limit, clock, 0.5)
    for _ in range(10):  # however long what was let in before takes to drain
        second(limit, clock, 9.0)
        assert 20 <= limit.limit <= 26  # 20 a second, between 0.5 s and 2 s


def test_it_rises_again_when_they_are_not(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    for _ in range(4):
        second(limit, clock, 30, begun=10)
    fallen = limit.limit
    for _ in range(40):
        second(limit, clock, 0.5)
    assert fallen < 20
    assert limit.limit == 500


def test_few_who_wait_are_not_late_for_their_number(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    second(limit, clock, 30, waiting=LEAST - 1)
    assert limit.limit == 500


def test_those_who_still_wait_count_once_they_are_late(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    clock.now += 9
    limit.update([clock.now - 9] * 200)
    assert limit.limit == LEAST


def test_an_upstream_that_has_become_slower_is_not_throttled_for_ever(
    limit: AdaptiveLimit, clock: Clock
) -> None:
    waiting: deque[float] = deque()
    refused_at = 0.0
    for step in range(12_000):
        clock.now = step * 0.01
        takes = 0.5 if clock.now < 20 else 6.0
        while waiting and waiting[0] + takes <= clock.now:
            limit.sample(clock.now - waiting.popleft())
        limit.update(waiting)
        if step % 3 == 0:  # 33 questions a second, of which it could write any number
            if len(waiting) < limit.limit:
                waiting.append(clock.now)
            else:
                refused_at = clock.now
    assert 20 < refused_at < 70


def test_time_without_requests_lets_it_rise(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    for _ in range(4):
        second(limit, clock, 30, begun=10)
    clock.now += 60
    limit.update([])
    assert limit.limit == 500


@pytest.mark.parametrize("offered", [1.0, 2.0, 5.0])
def test_it_finds_what_an_upstream_can_write_at_once(
    limit: AdaptiveLimit, clock: Clock, offered: float
) -> None:
    """An upstream that writes 50 at once, each for 2 s after 0.2 s; the others wait in line."""
    places, writes, begins = 50, 2.0, 0.2
    draw = random.Random(4)
    line: deque[float] = deque()
    writing: list[float] = []
    done, late = 0, 0
    refused = 0
    next_at = 0.0
    for step in range(int(120 / 0.01)):
        clock.now = step * 0.01
        done += sum(end <= clock.now and clock.now > 60 for end in writing)
        writing = [end for end in writing if end > clock.now]
        while line and len(writing) < places:
            waited = clock.now - line.popleft() + begins
            limit.sample(waited)
            late += waited > 2 and clock.now > 60
            writing.append(clock.now + writes)
        while next_at <= clock.now:
            next_at += draw.expovariate(offered * places / (writes + 0.01))
            limit.update(tuple(line))
            if len(line) >= limit.limit:
                refused += 1
            else:
                line.append(clock.now)
    most = 60 * places / writes
    assert done > 0.9 * most
    assert late < 0.02 * done
    if offered > 1:
        assert refused
