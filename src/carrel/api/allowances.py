"""What is left of a caller's limits, as response headers.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10;
`x-ratelimit-…` are OpenAI's, which its SDKs read.
"""

from carrel.limits.ticket import Ticket

WINDOW_SECONDS = 60


def headers(ticket: Ticket) -> list[tuple[bytes, bytes]]:
    """The headers of a request that has passed the gate, or was refused by it."""
    policies: list[bytes] = []
    states: list[bytes] = []
    of_openai: list[tuple[bytes, bytes]] = []
    for name, left in ((b"requests", ticket.requests), (b"tokens", ticket.tokens)):
        if left is None:
            continue
        policies.append(b'"%b";q=%d;w=%d' % (name, left.limit, WINDOW_SECONDS))
        states.append(b'"%b";r=%d;t=%d' % (name, left.remaining, left.reset_seconds))
        of_openai += [
            (b"x-ratelimit-limit-" + name, b"%d" % left.limit),
            (b"x-ratelimit-remaining-" + name, b"%d" % left.remaining),
            (b"x-ratelimit-reset-" + name, b"%ds" % left.reset_seconds),
        ]
    if not policies:
        return []
    named = [(b"ratelimit-policy", b", ".join(policies)), (b"ratelimit", b", ".join(states))]
    return named + of_openai
