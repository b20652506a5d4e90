"""An answer's events as its generation's log holds them, and how they are read from there."""

from typing import Self

import msgspec

from carrel.answering.events import Done, Event, Restart, Sources
from carrel.domain.answer import Answer
from carrel.generation.generator import Delta
from carrel.generations.events import Event as Written
from carrel.generations.events import Item
from carrel.generations.reader import Reader

_SOURCES, _DELTA, _DONE = b"s", b"t", b"d"
_encode = msgspec.msgpack.Encoder().encode
_decode_sources = msgspec.msgpack.Decoder(Sources).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


def encoded(event: Event) -> bytes:
    if isinstance(event, Delta):
        return _DELTA + event.text.encode()
    if isinstance(event, Sources):
        return _SOURCES + _encode(event)
    assert isinstance(event, Done)
    return _DONE + _encode(event.answer)


def event_of(item: Item) -> Event:
    """What *item* says."""
    if not isinstance(item, Written):
        return Restart()
    kind, payload = item.data[:1], item.data[1:]
    if kind == _DELTA:
        return Delta(payload.decode())
    return _decode_sources(payload) if kind == _SOURCES else Done(_decode_answer(payload))


class Merged:
    """What *reader* reads, but text that is there already comes as one event, in the last's place.

    So who reads more slowly than the text is written is sent fewer events; no text waits for more.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._next: Item | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        item, self._next = self._next, None
        if item is None:
            item = await anext(self._reader)
        text = _text(item)
        if text is None or not self._reader.is_behind:
            return item
        texts, place = [text], item.offset
        while self._reader.is_behind:
            more = await anext(self._reader)
            text = _text(more)
            if text is None:
                self._next = more
                break
            texts.append(text)
            place = more.offset
        return Written(place, _DELTA + b"".join(texts))


def _text(item: Item) -> bytes | None:
    return item.data[1:] if isinstance(item, Written) and item.data[:1] == _DELTA else None
