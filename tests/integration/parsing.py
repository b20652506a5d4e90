"""A sample, parsed."""

from pathlib import Path

from carrel.ingestion.parse.detect import HEAD_BYTES, detect
from carrel.ingestion.parse.parser import Parser, ParseResult

SAMPLES = Path(__file__).parents[1] / "samples"


async def parse_sample(parser: Parser, name: str) -> ParseResult:
    path = SAMPLES / name
    return await parser.parse(path, detect(name, None, path.read_bytes()[:HEAD_BYTES]))
