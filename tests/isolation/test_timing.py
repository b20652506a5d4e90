"""Whether time tells an absent id from another tenant's.

Both are asked for in turns, many times. What is compared is the difference of the medians with
how far the medians of the same question differ by chance: a test on a difference, not on a speed.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

import pytest
from tests.isolation.stack import Api, new_tenant
from tests.isolation.tally import TALLY

SAMPLES = {"GET": 600, "DELETE": 300}
# A difference that is there is there each time; chance does not strike three times in a row.
ROUNDS = 3
SHUFFLES = 400
# Of a difference that is chance alone, one run in a thousand is beyond this.
STANDARD_ERRORS = 3.3
# What no caller can see over a network, and a busy machine makes by itself.
LEAST_SECONDS = 30e-6


@pytest.mark.parametrize("method", SAMPLES)
async def test_an_absent_id_takes_as_long_as_another_tenants(
    api: Api, record_property: Callable[[str, object], None], method: str
) -> None:
    victim, attacker = await new_tenant(api), await new_tenant(api)
    foreign = [f"victims-{number:03}" for number in range(20)]
    absent = [f"nobodys-{number:03}" for number in range(20)]
    for name in foreign:
        await victim.upload(name, f"Something about {name}.")
    chance = random.Random(1)

    async def seconds(name: str) -> float:
        started = time.perf_counter()
        reply = await attacker.call(method, f"/v1/documents/{name}")
        assert reply.status == 404
        return time.perf_counter() - started

    for name in (*foreign, *absent):
        await seconds(name)
    for _ in range(ROUNDS):
        times: dict[str, list[float]] = {"foreign": [], "absent": []}
        for _ in range(SAMPLES[method]):
            turns = [("foreign", chance.choice(foreign)), ("absent", chance.choice(absent))]
            chance.shuffle(turns)
            for kind, name in turns:
                times[kind].append(await seconds(name))
        difference, spread = compare(times["foreign"], times["absent"], chance)
        if not is_told_apart(difference, spread):
            break
    else:
        raise AssertionError(f"{method}: {difference * 1e6:+.1f} µs, by chance ±{spread * 1e6:.1f}")
    record_property(
        TALLY,
        f"{method}: foreign and absent ids differ by {difference * 1e6:+.1f} µs in the median of "
        f"{statistics.median(times['absent']) * 1e6:.0f} µs (by chance: ±{spread * 1e6:.1f} µs)",
    )


@pytest.mark.parametrize(("later", "told_apart"), [(0.0, False), (80e-6, True)])
def test_a_difference_that_is_there_is_found(later: float, told_apart: bool) -> None:
    chance = random.Random(2)
    one = [chance.lognormvariate(-6.5, 0.1) + later for _ in range(1000)]
    other = [chance.lognormvariate(-6.5, 0.1) for _ in range(1000)]
    difference, spread = compare(one, other, chance)
    assert is_told_apart(difference, spread) is told_apart


def is_told_apart(difference: float, spread: float) -> bool:
    return abs(difference) > max(STANDARD_ERRORS * spread, LEAST_SECONDS)


def compare(
    one: Sequence[float], other: Sequence[float], chance: random.Random
) -> tuple[float, float]:
    """The difference of the medians, and its standard deviation if the two were the same.

    The latter from shuffling which sample belongs to which: a permutation test.
    """
    together = [*one, *other]
    by_chance: list[float] = []
    for _ in range(SHUFFLES):
        chance.shuffle(together)
        by_chance.append(
            statistics.median(together[: len(one)]) - statistics.median(together[len(one) :])
        )
    return statistics.median(one) - statistics.median(other), statistics.pstdev(by_chance)
