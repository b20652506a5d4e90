"""Commands as bytes: RESP, an array of bulk strings (redis.io/docs/reference/protocol-spec)."""

from collections.abc import Iterable, Sequence

Argument = str | bytes | int


def packed(commands: Iterable[Sequence[Argument]]) -> bytes:
    """All *commands*, one after the other, to be sent at once."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for argument in command:
            raw = argument if isinstance(argument, bytes) else str(argument).encode()
            parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(parts)
