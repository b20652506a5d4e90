"""All attacks of `carrel verify-isolation` between all tiers, and what came of each."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from carrel.cli.client import Client
from carrel.cli.isolation.attacks import ATTACKS, Attack, moved, revoked
from carrel.cli.isolation.sides import Side, is_erased, side


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack: the tiers of attacker and attacked, whether isolation held, what was seen."""

    attack: str
    tiers: str
    held: bool
    seen: str = ""


async def attack(url: str, admin_key: str) -> AsyncGenerator[Finding]:
    """Make tenants, attack each with another's key, erase all; each finding as it is made.

    Two are in the shared tier, and one in a collection of its own, where the server has that.

    Raises:
        Failure: the server cannot be reached, or refuses what an admin may do.
    """
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Client(url, admin_key))
        left = await stack.enter_async_context(side(url, admin))
        right = await stack.enter_async_context(side(url, admin))
        apart = await stack.enter_async_context(side(url, admin, "collection"))
        assert left is not None
        assert right is not None
        pairs = [(left, right), (right, left)]
        if apart is not None:
            pairs += [(left, apart), (apart, left)]
        for pair in pairs:
            for name, run in ATTACKS.items():
                yield await _finding(name, run, *pair)
        if apart is not None:
            name = "the other's move between tiers does not change results or scores"
            yield await _finding(name, moved(admin), left, apart)
        yield await _finding("a revoked key is refused", revoked(admin), left, right)
    sides = [each for each in (left, right, apart) if each is not None]
    async with Client(url, admin_key) as admin:
        seen = await is_erased(admin, *sides)
    name = "the tenants made for this are erased, and a sweep found nothing left"
    yield Finding(name, _all_tiers(sides), held=not seen, seen=seen)


async def _finding(name: str, run: Attack, mine: Side, other: Side) -> Finding:
    seen = await run(mine, other)
    return Finding(name, f"{mine.tier} against {other.tier}", held=not seen, seen=seen)


def _all_tiers(sides: list[Side]) -> str:
    return " and ".join(dict.fromkeys(each.tier for each in sides))
