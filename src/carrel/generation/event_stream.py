"""Server-sent events, from the bytes of a response to the data of each event.

The decoder holds at most `max_event_bytes` and one chunk, and takes bytes cut
anywhere: inside a line break, a field name or a character.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html, of which
only `data` matters here; comments and other fields are passed over.
"""

MAX_EVENT_BYTES = 1 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """An event that did not end within the decoder's limit."""


class EventDecoder:
    """Gives the data of each event that the bytes fed so far complete."""

    __slots__ = ("_held_return", "_limit", "_pending")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._pending = bytearray()  # the start of an event whose end has not arrived
        self._held_return = False  # the last chunk ended in "\r": half of "\r\n", or all of "\r"

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that *chunk* completes, in order; often none or one.

        Raises:
            EventTooLarge: more than the limit arrived without the end of an event.
        """
        if self._held_return or chunk.find(b"\r") >= 0:  # three times as fast as `in`
            chunk = self._with_plain_line_breaks(chunk)
        if self._pending:
            # Only the new bytes, and the one before them, can hold the end: an
            # event that trickles in byte by byte is not searched from its start.
            end = self._pending[-1:] + chunk
            self._pending += chunk
            if b"\n\n" not in end:
                self._check_size(self._pending)
                return []
            chunk = bytes(self._pending)
            self._pending.clear()
        elif (
            # While tokens trickle in, almost every chunk is exactly one event:
            # one line, and only the two line breaks that end it.
            chunk.startswith(b"data: ")
            and chunk.find(b"\n") == len(chunk) - 2
            and chunk.endswith(b"\n\n")
        ):
            return [chunk[6:-2]]
        *frames, rest = chunk.split(b"\n\n")
        if rest:
            self._check_size(rest)
            self._pending += rest
        return [data for frame in frames if (data := _data_of(frame))]

    def flush(self) -> list[bytes]:
        """The data of a last event that the end of the stream completes.

        The standard drops it; upstreams that forget the last line break exist.
        """
        frame = bytes(self._pending)
        self._pending.clear()
        return [data] if (data := _data_of(frame)) else []

    def _with_plain_line_breaks(self, chunk: bytes) -> bytes:
        if self._held_return:
            chunk = b"\r" + chunk
        self._held_return = chunk.endswith(b"\r")
        if self._held_return:
            chunk = chunk[:-1]
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check_size(self, unfinished: bytes | bytearray) -> None:
        if len(unfinished) > self._limit:
            raise EventTooLarge(f"an event of more than {self._limit} bytes")


def _data_of(frame: bytes) -> bytes:
    if frame.startswith(b"data: ") and b"\n" not in frame:  # all but a few events look like this
        return frame[6:]
    lines = frame.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
