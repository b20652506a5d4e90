"""Feed damaged documents to the parsers: each must be read or fail with a reason.

`python scripts/fuzz_parsers.py [MINUTES] [SEED]`. What breaks the rule is kept in `fuzz-findings/`,
and the exit status is 1: an unforeseen error, a parser that dies without a reason of its own, or
memory of this process that grows.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from carrel.ingestion.parse.media_types import BY_EXTENSION, FORMATS
from carrel.ingestion.parse.parser import ParseFailed, Parser

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "tests" / "samples"
FINDINGS = ROOT / "fuzz-findings"
GROWN_BYTES = 200 << 20
TIMEOUT_SECONDS = 20
TOKENS = [
    *(b"\0", b"\xff" * 8, b"<", b"&l9;", b"]]>", b"%PDF-", b"PK\x03\x04", b"stream\n", b"/Kids"),
    *(b"[" * 2000, b"(" * 2000, b"<div>" * 500, b"\xf0\x9f\x92\xa9", b"\r\n\r\n", b'"', b"obj<<"),
]


def damaged(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """*data* with a few of the things that happen to files, or are done to them."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(7):
            case 0:
                del found[at:]
            case 1:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                found[at:at] = chance.choice(TOKENS)
            case 3:
                del found[at : at + chance.randrange(1, 200)]
            case 4:
                end = at + chance.randrange(1, 500)
                found[at:at] = found[at:end] * chance.choice((1, 10, 100))
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other))
                found[at:at] = other[start : start + chance.randrange(1, 4000)]
            case _:
                for _ in range(chance.randrange(1, 100)):
                    if found:
                        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
        found = found[:3_000_000]
    return bytes(found)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def fuzz(minutes: float, seed: int) -> int:
    chance = random.Random(seed)
    paths = sorted(SAMPLES.iterdir())
    samples = [path.read_bytes() for path in paths]
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    found = 0
    parser = Parser(processes=1, timeout_seconds=TIMEOUT_SECONDS)
    with tempfile.TemporaryDirectory(prefix="carrel-fuzz-") as folder:
        target = Path(folder, "document")
        deadline, before = time.monotonic() + minutes * 60, resident()
        while time.monotonic() < deadline:
            number = chance.randrange(len(samples))
            own = BY_EXTENSION.get(paths[number].suffix)
            kind = own if own and chance.random() < 0.9 else chance.choice(list(FORMATS))
            data = damaged(samples[number], samples, chance)
            target.write_bytes(data)
            try:
                await parser.parse(target, kind)
                outcomes["read"] += 1
            except ParseFailed as failure:
                outcomes["failed with a reason"] += 1
                reasons[failure.reason.partition(":")[0][:70]] += 1
                fault = "crashed" if "crashed" in failure.reason else ""
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                fault = type(error).__name__
            else:
                fault = ""
            if fault:
                found += 1
                outcomes[f"finding: {fault}"] += 1
                FINDINGS.mkdir(exist_ok=True)
                name = f"{seed}-{outcomes.total()}{paths[number].suffix}"
                (FINDINGS / name).write_bytes(data)
                print(f"{fault}: {FINDINGS / name} as {kind}", flush=True)
        grown = resident() - before
        await parser.close()
    print(f"{outcomes.total():,} documents in {minutes:g} minutes, seed {seed}: {dict(outcomes)}")
    for reason, count in reasons.most_common(12):
        print(f"  {count:>6,}  {reason}")
    print(f"memory of this process grew by {grown / 1e6:.0f} MB")
    return 1 if found or grown > GROWN_BYTES else 0


if __name__ == "__main__":
    chosen = [float(word) for word in sys.argv[1:]]
    sys.exit(
        asyncio.run(fuzz(chosen[0] if chosen else 30, int(chosen[1]) if len(chosen) > 1 else 1))
    )
