import random
from collections import deque
from itertools import count

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


def second(limit: AdaptiveLimit, clock: Clock, first_token: float, at_once: int = 400) -> None:
    """A second in which twenty first tokens take so long."""
    for _ in range(20):
        limit.sample(first_token)
    clock.now += 1
    limit.update(at_once, lambda: ())


def test_it_stays_while_first_tokens_come_in_time(limit: AdaptiveLimit, clock: Clock) -> None:
    for seconds in (0.5, 0.7, 0.5, 1.9):
        second(limit, clock, seconds)
    assert limit.limit == 500


def test_it_falls_below_what_was_let_in_when_they_are_late(
    limit: AdaptiveLimit, clock: Clock
) -> None:
    second(limit, clock, 0.5)
    second(limit, clock, 4.0, at_once=300)
    assert limit.limit == 150


def test_it_rises_again_when_they_are_not(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    for _ in range(8):
        second(limit, clock, 10)
    fallen = limit.limit
    for _ in range(40):
        second(limit, clock, 0.5)
    assert fallen == LEAST
    assert limit.limit == 500


def test_few_at_once_are_not_to_blame(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    second(limit, clock, 30, at_once=LEAST - 1)
    assert limit.limit == 500


def test_those_who_still_wait_count_once_they_are_late(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    clock.now += 10
    limit.update(200, lambda: [clock.now - 9] * 200)
    assert limit.limit == 100


def test_an_upstream_that_has_become_slower_is_not_throttled_for_ever(
    limit: AdaptiveLimit, clock: Clock
) -> None:
    second(limit, clock, 0.5)
    for _ in range(120):
        second(limit, clock, 6, at_once=limit.limit)
    assert limit.limit == 500


def test_time_without_requests_lets_it_rise(limit: AdaptiveLimit, clock: Clock) -> None:
    second(limit, clock, 0.5)
    for _ in range(10):
        second(limit, clock, 30)
    clock.now += 60
    limit.update(0, lambda: ())
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
    arrivals = count()
    next_at = 0.0
    for step in range(int(120 / 0.01)):
        clock.now = step * 0.01
        done += sum(end <= clock.now and clock.now > 60 for end in writing)
        writing = [end for end in writing if end > clock.now]
        while line and len(writing) < places:
            waited = clock.now - line.popleft() + begins
            limit.sample(waited)
            late += waited > 3 and clock.now > 60
            writing.append(clock.now + writes)
        while next_at <= clock.now:
            next_at += draw.expovariate(offered * places / (writes + 0.01))
            limit.update(len(line) + len(writing), lambda: iter(tuple(line)))
            if len(line) + len(writing) >= limit.limit:
                refused += 1
            else:
                line.append(clock.now)
            next(arrivals)
    most = 60 * places / writes
    assert done > 0.9 * most
    assert late < 0.1 * done
    if offered > 1:
        assert refused
