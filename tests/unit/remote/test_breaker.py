import asyncio

import pytest
from prometheus_client import REGISTRY

from carrel.domain.errors import StorageFull, Unavailable
from carrel.remote.breaker import FAILURES, PAUSE_SECONDS, Breaker
from carrel.vectors.server.failures import MissingCollection, Unreachable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Unreachable), breaker.watching(Unreachable):
            raise Unreachable("nobody there")


def assert_open(breaker: Breaker) -> None:
    entered = False
    with pytest.raises(Unavailable, match="nobody there") as refused, breaker.watching(Unreachable):
        entered = True
    assert not entered
    assert refused.value.retry_after_seconds == 1


def answer(breaker: Breaker) -> None:
    with breaker.watching(Unreachable):
        pass


def test_so_many_failures_in_a_row_spare_the_next_caller(breaker: Breaker) -> None:
    fail(breaker, FAILURES)
    assert_open(breaker)


def test_an_answer_in_between_begins_the_count_again(breaker: Breaker) -> None:
    fail(breaker, FAILURES - 1)
    answer(breaker)
    fail(breaker, FAILURES - 1)
    answer(breaker)


def test_one_caller_tries_again_after_the_pause(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += PAUSE_SECONDS
    trying = breaker.watching(Unreachable)
    trying.__enter__()
    assert_open(breaker)  # for the others
    assert not trying.__exit__(Unreachable, Unreachable("nobody there"), None)
    assert_open(breaker)
    clock.now += PAUSE_SECONDS
    answer(breaker)
    fail(breaker, FAILURES - 1)
    answer(breaker)


def test_a_try_that_hangs_does_not_keep_the_next_away(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES)
    clock.now += PAUSE_SECONDS
    with breaker.watching(Unreachable):
        clock.now += PAUSE_SECONDS
        answer(breaker)
    answer(breaker)


@pytest.mark.parametrize(
    "error", [StorageFull("full"), MissingCollection("missing"), Unavailable("busy")]
)
def test_a_server_that_refuses_is_not_gone(breaker: Breaker, error: Exception) -> None:
    for _ in range(2 * FAILURES):
        fail(breaker, FAILURES - 1)
        with pytest.raises(type(error)), breaker.watching(Unreachable):
            raise error


def test_old_failures_do_not_count_against_a_server_that_answers_again(breaker: Breaker) -> None:
    late = [breaker.watching(Unreachable) for _ in range(2 * FAILURES)]
    for each in late:
        each.__enter__()
    answer(breaker)
    for each in late:
        assert not each.__exit__(Unreachable, Unreachable("nobody there"), None)
    answer(breaker)


async def test_a_caller_who_leaves_says_nothing_about_the_server(breaker: Breaker) -> None:
    async def wait() -> None:
        with breaker.watching(Unreachable):
            await asyncio.Event().wait()

    for _ in range(2 * FAILURES):
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    fail(breaker, FAILURES - 1)
    answer(breaker)


def test_one_that_is_open_is_a_metric_until_it_closes(clock: Clock) -> None:
    breaker = Breaker(clock, counted_as="qdrant")

    def are_open() -> float:
        return REGISTRY.get_sample_value("carrel_breakers_open", {"service": "qdrant"}) or 0.0

    before = are_open()
    fail(breaker, FAILURES)
    assert are_open() == before + 1
    clock.now += PAUSE_SECONDS
    fail(breaker)
    assert are_open() == before + 1
    clock.now += PAUSE_SECONDS
    answer(breaker)
    assert are_open() == before
    fail(breaker, FAILURES)
    breaker.close()  # of a server that nobody uses any more
    assert are_open() == before


class TestStrict:
    @pytest.fixture
    def strict(self, clock: Clock) -> Breaker:
        return Breaker(clock, strict=True)

    def test_an_answer_makes_up_for_one_failure_alone(self, strict: Breaker) -> None:
        for _ in range(FAILURES - 2):
            fail(strict, 2)
            answer(strict)
        fail(strict, 2)
        assert strict.is_open

    def test_answers_begun_before_it_opened_do_not_close_it(self, strict: Breaker) -> None:
        earlier = strict.admit()
        fail(strict, FAILURES)
        strict.answered(earlier)
        assert_open(strict)

    def test_an_answered_probe_closes_it(self, strict: Breaker, clock: Clock) -> None:
        fail(strict, FAILURES)
        clock.now += PAUSE_SECONDS
        probe = strict.admit()
        assert probe.probe
        strict.answered(probe)
        assert not strict.is_open
        fail(strict, FAILURES - 1)
        assert not strict.is_open

    def test_late_failures_do_not_put_the_next_probe_off(
        self, strict: Breaker, clock: Clock
    ) -> None:
        late = strict.admit()
        fail(strict, FAILURES)
        clock.now += PAUSE_SECONDS
        strict.failed(late, "nobody there")
        assert strict.admit().probe
