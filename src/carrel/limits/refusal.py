"""What a verdict means for a client: what is left, or why not and when again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carrel.domain.errors import RateLimited
from carrel.domain.tenant import Allowance
from carrel.limits import rate
from carrel.limits.meter import Load, Scope

# When one of the running requests will end is not known; most end within seconds.
CONCURRENT_WAIT_MS = 1000


@dataclass(frozen=True, slots=True)
class Allowances:
    """Of requests and of tokens, each that of its tightest scope; None: no limit."""

    requests: Allowance | None
    tokens: Allowance | None


def allowances(scopes: Sequence[Scope], loads: Sequence[Load]) -> Allowances:
    """What is left on *scopes* under *loads*."""
    requests = tokens = None
    for scope, load in zip(scopes, loads, strict=True):
        if (limit := scope.limits.requests_per_minute) is not None:
            requests = _tighter(requests, rate.allowance(load.requests_debt, limit))
        if (limit := scope.limits.tokens_per_minute) is not None:
            tokens = _tighter(tokens, rate.allowance(load.tokens_debt, limit))
    return Allowances(requests, tokens)


def rate_limited(scopes: Sequence[Scope], loads: Sequence[Load], tokens: int) -> RateLimited:
    """The error for a request with *tokens* that was refused under *loads*.

    It names the limit that takes longest to give way.
    """
    waits = [
        wait
        for scope, load in zip(scopes, loads, strict=True)
        for wait in _waits(scope, load, tokens)
    ]
    longest = max(waits, key=lambda wait: wait.milliseconds)
    seconds = max(1, -(-longest.milliseconds // 1000))
    left = allowances(scopes, loads)
    return RateLimited(
        f"the {longest.scope.partition(':')[0]}'s limit of {longest.wording} is reached; "
        f"try again in {seconds} s",
        scope=longest.scope,
        kind=longest.kind,
        retry_after_seconds=seconds,
        requests=left.requests,
        tokens=left.tokens,
    )


@dataclass(frozen=True, slots=True)
class _Wait:
    milliseconds: int
    scope: str
    kind: str
    wording: str


def _waits(scope: Scope, load: Load, tokens: int) -> Iterator[_Wait]:
    limits = scope.limits
    if (limit := limits.requests_per_minute) is not None:
        wait = rate.wait_ms(load.requests_debt, limit, 1)
        yield _Wait(wait, scope.name, "requests", f"{limit:,} requests a minute")
    if (limit := limits.tokens_per_minute) is not None:
        wait = rate.wait_ms(load.tokens_debt, limit, tokens)
        yield _Wait(wait, scope.name, "tokens", f"{limit:,} tokens a minute")
    if (limit := limits.concurrent_requests) is not None:
        wait = CONCURRENT_WAIT_MS if load.running >= limit else 0
        yield _Wait(wait, scope.name, "concurrent", f"{limit:,} requests at once")


def _tighter(one: Allowance | None, other: Allowance) -> Allowance:
    if one is None:
        return other
    return min(one, other, key=lambda each: (each.remaining, -each.reset_seconds))
