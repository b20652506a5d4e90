"""The simulator's answers: words of the prompt's sources, cited; equal prompts, equal answers."""

import hashlib
import random
import re
from collections.abc import Sequence

_VOCABULARY = """
account address answer balance billing budget calendar capacity carrier catalogue change charge
claim contract country coverage customer delivery deposit device discount document domain driver
energy engine equipment estimate evidence exchange expense facility feature forecast format
freight garden guarantee handbook harbour holiday increase index insurance interest inventory
invoice journey kitchen language ledger letter licence limit machine manual margin market
measure meeting member method minute mirror module network notice number office operator option
order packet parcel partner payment pencil period permit policy portal price printer process
product project quality quarter question receipt record refund region release report request
reserve result return review route sample schedule season section sensor service shipment signal
station storage summary supplier support surface system tariff ticket timetable traffic transfer
travel update valley vehicle vendor version voucher warehouse warranty window winter workshop
accepts allows applies begins belongs changes contains covers describes ends explains follows
gives includes keeps lasts leaves lists means moves names needs offers opens replaces requires
returns shows starts states takes tells the of and in within after before under a an every
"""
WORDS = tuple(_VOCABULARY.split())
MAX_SOURCE_WORDS = 400

_SOURCE = re.compile(r'<source\b[^>]*?\bn="(\d+)"[^>]*>(.*?)</source>', re.DOTALL)
_NUMBERED_LINE = re.compile(r"^\[(\d+)\] (.*)$", re.MULTILINE)


def count_tokens(text: str) -> int:
    """The simulator's prompt tokens: four characters each, rounded up."""
    return -(-len(text) // 4)


def compose(contents: Sequence[str], *, tokens: int, seed: int) -> list[str]:
    """An answer of exactly *tokens* pieces to the messages with these *contents*.

    Each sentence takes its words from one source of the prompt and cites it;
    sources are `<source n="1">…</source>` or lines that start with `[1]`. A
    prompt without sources gets plain words and no citations.
    """
    text = "\0".join(contents)
    digest = hashlib.sha256(f"{seed}\0{text}".encode("utf-8", "replace")).digest()
    rng = random.Random(digest)
    sources = [
        (number, words)
        for number, body in _SOURCE.findall(text) or _NUMBERED_LINE.findall(text)
        if (words := _words_of(body))
    ]
    pieces: list[str] = []
    while len(pieces) < tokens:
        left = tokens - len(pieces)
        size = rng.randint(7, 16)
        # What is left after this sentence must be room for another, or nothing.
        pieces += _sentence(rng, sources, left if left < size + 4 else size)
    if pieces:
        pieces[0] = pieces[0].lstrip()
    return pieces


def _sentence(rng: random.Random, sources: list[tuple[str, list[str]]], size: int) -> list[str]:
    if not sources:
        words, ending = rng.choices(WORDS, k=size), ["."]
    else:
        number, words = rng.choice(sources)
        start = rng.randrange(len(words))
        words = (words[start:] + words[:start]) * (size // len(words) + 1)
        ending = [f" [{number}]", "."]
    ending = ending[-size:]
    return [f" {word}" for word in words[: size - len(ending)]] + ending


def _words_of(body: str) -> list[str]:
    words = body.split(maxsplit=MAX_SOURCE_WORDS)[:MAX_SOURCE_WORDS]
    return [word for word in words if "[" not in word and "]" not in word]
