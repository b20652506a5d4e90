from contextlib import ExitStack

import pytest

from carrel.domain.errors import Unavailable
from carrel.domain.ids import TenantId
from carrel.limits.adaptive import AdaptiveLimit
from carrel.limits.door import Door

GREEDY, QUIET = TenantId("ten_greedy"), TenantId("ten_quiet")


class House:
    """A door, and those inside."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.inside = ExitStack()

    def enter(self, tenant: TenantId) -> bool:
        slot = self.door.slot(tenant)
        try:
            slot.take()
        except Unavailable:
            return False
        self.inside.push(slot)
        return True

    def fill(self, tenant: TenantId, most: int = 1000) -> int:
        return sum(self.enter(tenant) for _ in range(most))


def test_one_tenant_is_not_let_in_to_the_last_place() -> None:
    house = House(Door(100, share=4))
    assert house.fill(GREEDY) == 80


def test_a_quiet_tenant_finds_a_place_beside_a_greedy_one() -> None:
    house = House(Door(100, share=4))
    house.fill(GREEDY)
    assert house.fill(QUIET, 10) == 10
    assert not house.enter(GREEDY)


def test_many_greedy_tenants_leave_room_for_one_more() -> None:
    house = House(Door(100, share=4))
    greedy = [TenantId(f"ten_{number}") for number in range(6)]
    for _ in range(100):
        for tenant in greedy:
            house.enter(tenant)
    assert house.enter(QUIET)


def test_a_full_house_takes_nobody_and_says_when_to_come_again() -> None:
    house = House(Door(3, share=1000))
    assert house.fill(GREEDY) == 3
    with pytest.raises(Unavailable) as refused:
        house.door.check(QUIET)
    assert 1 <= refused.value.retry_after_seconds <= 3


def test_places_are_free_again_once_left() -> None:
    house = House(Door(10, share=4))
    first = house.fill(GREEDY)
    house.inside.close()
    assert house.fill(GREEDY) == first


def test_a_slot_is_taken_once_and_one_never_taken_is_never_left() -> None:
    house = House(Door(2, share=1000))
    with house.door.slot(GREEDY) as slot, house.door.slot(GREEDY):
        slot.take()
        slot.take()
        assert house.enter(GREEDY)
        assert not house.enter(GREEDY)
    assert house.enter(GREEDY)


def test_a_limit_that_fell_does_not_keep_a_quiet_tenant_out() -> None:
    adaptive = AdaptiveLimit(100, slow_seconds=1)
    house = House(Door(100, share=4, adaptive=adaptive))
    house.fill(GREEDY)
    adaptive._limit = 20.0
    assert not house.enter(GREEDY)
    assert house.fill(QUIET, 5) == 5


def test_answers_being_written_are_not_among_those_that_wait() -> None:
    adaptive = AdaptiveLimit(100, slow_seconds=1)
    house = House(Door(100, share=4, adaptive=adaptive))
    for _ in range(60):
        slot = house.door.slot(GREEDY)
        slot.take()
        slot.began()
        house.inside.push(slot)
    adaptive._limit = 10.0
    assert house.fill(GREEDY) == 8
