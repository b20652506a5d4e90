import logging

import pytest

from carrel.redis.breaker import FAILURES_TO_OPEN, Breaker
from carrel.telemetry import metrics


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("redis.example:6379", probe_seconds=1, clock=clock)


def open_it(breaker: Breaker) -> None:
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed("no answer")


def test_a_few_failures_in_a_row_open_it(breaker: Breaker):
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed("no answer")
    breaker.succeeded()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed("no answer")
    assert breaker.admits()
    breaker.failed("no answer")
    assert not breaker.admits()


def test_while_open_one_call_a_second_finds_out(breaker: Breaker, clock: Clock):
    open_it(breaker)
    clock.now = 0.999
    assert not breaker.admits()
    clock.now = 1.0
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.failed("no answer")
    clock.now = 2.0
    assert breaker.admits()
    breaker.succeeded()
    assert [breaker.admits() for _ in range(3)] == [True, True, True]


def test_an_outage_writes_two_lines_whatever_its_length(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    failures = metrics.redis_failures._value.get()
    for clock.now in range(100):
        breaker.failed("connection refused")
    assert metrics.redis_up._value.get() == 0
    assert metrics.redis_failures._value.get() == failures + 100
    breaker.succeeded()
    breaker.succeeded()
    assert metrics.redis_up._value.get() == 1
    assert caplog.messages == [
        "Redis at redis.example:6379 does not answer: connection refused",
        "Redis at redis.example:6379 is back after 97.0 s",
    ]
