"""The integer leaky bucket against the other form of the GCRA, in exact fractions.

`LIMITS_ARRIVALS=1000000` sets how many arrivals are tried.
"""

import os
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from carrel.domain.tenant import Allowance
from carrel.limits import rate

ARRIVALS = int(os.environ.get("LIMITS_ARRIVALS", "20000"))
RUN = 50


@dataclass
class VirtualScheduling:
    """ITU-T I.371, annex A: a theoretical arrival time (TAT), an increment and a tolerance.

    An arrival of n units counts as n increments; more than the limit may come when nothing is owed.
    """

    limit: int
    tat: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        self.increment = Fraction(60_000, self.limit)

    def conforms(self, at: int, cost: int) -> bool:
        tolerance = 60_000 - min(cost, self.limit) * self.increment
        return self.tat <= at + tolerance

    def arrive(self, at: int, cost: int) -> bool:
        if not self.conforms(at, cost):
            return False
        self.tat = max(self.tat, Fraction(at)) + cost * self.increment
        return True

    def correct(self, at: int, change: int) -> None:
        self.tat = max(Fraction(at), max(self.tat, Fraction(at)) + change * self.increment)


limits = st.one_of(st.integers(1, 20), st.integers(1, 100_000), st.just(7), st.just(61))
gaps = st.one_of(st.just(0), st.integers(0, 50), st.integers(0, 15_000), st.integers(0, 130_000))
costs = st.one_of(st.just(1), st.integers(0, 10), st.integers(0, 150_000))
changes = st.one_of(st.none(), st.integers(-20_000, 20_000))  # a stream that ended, or none
arrivals = st.lists(st.tuples(gaps, costs, changes), min_size=RUN, max_size=RUN)


@settings(max_examples=max(1, ARRIVALS // RUN))
@given(limits, arrivals)
def test_it_admits_what_virtual_scheduling_admits(
    limit: int, arrivals: list[tuple[int, int, int | None]]
):
    oracle = VirtualScheduling(limit)
    debt = at = 0
    for gap, cost, change in arrivals:
        at += gap
        debt = rate.drained(debt, limit, gap)
        expected = oracle.conforms(at, cost)
        assert rate.fits(debt, limit, cost) == expected
        wait = rate.wait_ms(debt, limit, cost)
        assert (wait == 0) == expected
        assert oracle.conforms(at + wait, cost)  # waiting that long is enough,
        assert wait == 0 or not oracle.conforms(at + wait - 1, cost)  # and no longer than needed
        if oracle.arrive(at, cost):
            debt = rate.charged(debt, cost)
        if change is not None:
            oracle.correct(at, change)
            debt = rate.charged(debt, change)
        assert Fraction(debt, limit) == max(Fraction(0), oracle.tat - at)


@given(limits, st.integers(0, 10**12))
def test_what_remains_can_come_at_once_and_one_more_cannot(limit: int, debt: int):
    left = rate.allowance(debt, limit)
    assert left.remaining == 0 or rate.fits(debt, limit, left.remaining)
    if left.remaining < limit:
        assert not rate.fits(debt, limit, left.remaining + 1)
    assert rate.drained(debt, limit, left.reset_seconds * 1000) == 0


def test_a_limit_is_also_what_may_come_at_once():
    debt = 0
    admitted = 0
    for _ in range(100):
        if rate.fits(debt, 5, 1):
            debt, admitted = rate.charged(debt, 1), admitted + 1
    assert admitted == 5
    assert rate.wait_ms(debt, 5, 1) == 12_000
    assert rate.allowance(debt, 5) == Allowance(limit=5, remaining=0, reset_seconds=60)


def test_a_request_larger_than_the_limit_comes_when_nothing_is_owed_and_pays_in_full():
    assert rate.fits(0, 100, 250)
    assert not rate.fits(1, 100, 250)
    debt = rate.charged(0, 250)
    assert rate.wait_ms(debt, 100, 1) == 90_600  # 2.5 minutes' worth, but for one


def test_a_limit_of_nothing_admits_nothing():
    assert not rate.fits(0, 0, 1)
    assert not rate.fits(0, 0, 0)
    assert rate.wait_ms(0, 0, 1) == 60_000
    assert rate.share(0, 4) == 0


def test_a_share_is_at_least_one_and_no_limit_stays_none():
    assert [rate.share(10, n) for n in (1, 3, 100)] == [10, 3, 1]
    assert rate.share(None, 3) is None


def test_a_clock_that_goes_back_drains_nothing():
    assert rate.drained(1_000, 10, -5) == 1_000
