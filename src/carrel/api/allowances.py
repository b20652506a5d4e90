"""What is left of a caller's limits, as response headers.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10;
`x-ratelimit-…` are OpenAI's, which its SDKs read.
"""

from carrel.domain.tenant import Allowance
from carrel.limits.ticket import Ticket

WINDOW_SECONDS = 60


def headers(ticket: Ticket) -> list[tuple[bytes, bytes]]:
    """The headers of a request that has passed the gate, or was refused by it."""
    known = {"requests": ticket.requests, "tokens": ticket.tokens}
    limited = {name: each for name, each in known.items() if each is not None}
    if not limited:
        return []
    policy = ", ".join(f'"{name}";q={a.limit};w={WINDOW_SECONDS}' for name, a in limited.items())
    state = ", ".join(
        f'"{name}";r={a.remaining};t={a.reset_seconds}' for name, a in limited.items()
    )
    pairs = [("ratelimit-policy", policy), ("ratelimit", state)]
    for name, allowance in limited.items():
        pairs += _openai(name, allowance)
    return [(name.encode(), value.encode()) for name, value in pairs]


def _openai(name: str, allowance: Allowance) -> list[tuple[str, str]]:
    return [
        (f"x-ratelimit-limit-{name}", str(allowance.limit)),
        (f"x-ratelimit-remaining-{name}", str(allowance.remaining)),
        (f"x-ratelimit-reset-{name}", f"{allowance.reset_seconds}s"),
    ]
