"""Requests and tokens a minute: the generic cell rate algorithm (GCRA), in integers.

ITU-T I.371, annex A, gives the GCRA in two equivalent forms. This is the
continuous-state leaky bucket: a *debt* grows by what a request costs and drains with time.
(The other, virtual scheduling, keeps the time at which the debt will be gone.) Here a
unit of debt is a 60,000th of a request or token, of which `limit` drain in a
millisecond: all values are integers, so no rounding ever admits or refuses.

The limit is also what may come at once. So a limit of 5 a minute admits 5 in an
instant and then one each 12 seconds: at most 5 at any instant, at most 5 a minute for
as long as it lasts, and fewer than 10 in any one minute.
"""

from carrel.domain.tenant import Allowance

PERIOD_MS = 60_000
MAX_LIMIT = 10**10  # a minute's debt, 6e14, stays exact in Lua's numbers, and so do ten of them


def drained(debt: int, limit: int, elapsed_ms: int) -> int:
    """What is left of *debt* after *elapsed_ms*. A clock that went back drains nothing."""
    return max(0, debt - max(0, elapsed_ms) * limit)


def fits(debt: int, limit: int, cost: int) -> bool:
    """Whether *cost* more may come now.

    What costs more than the limit itself may come when nothing is owed: it would
    never be admitted otherwise, and its whole cost is charged.
    """
    return limit > 0 and debt + min(cost, limit) * PERIOD_MS <= limit * PERIOD_MS


def charged(debt: int, cost: int) -> int:
    """The debt after *cost* more; a negative cost gives back what was charged too much."""
    return max(0, debt + cost * PERIOD_MS)


def wait_ms(debt: int, limit: int, cost: int) -> int:
    """Milliseconds until *cost* fits, if nobody else comes. 0: now."""
    if limit <= 0:
        return PERIOD_MS  # nothing is allowed until someone changes the limit
    excess = debt + min(cost, limit) * PERIOD_MS - limit * PERIOD_MS
    return max(0, -(-excess // limit))


def allowance(debt: int, limit: int) -> Allowance:
    """What is left, and the whole seconds until all of it is there again."""
    remaining = max(0, limit - -(-debt // PERIOD_MS))
    drain_ms = -(-debt // limit) if limit > 0 else PERIOD_MS
    return Allowance(limit, remaining, -(-drain_ms // 1000))


def share(limit: int | None, replicas: int) -> int | None:
    """One replica's part of *limit*: at least 1, unless nothing is allowed at all."""
    if not limit:
        return limit
    return max(1, limit // replicas)
