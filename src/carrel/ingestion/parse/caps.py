"""What one document may cost, and how it is to be cut."""

import msgspec


class Caps(msgspec.Struct, frozen=True):
    """Limits that a parser process imposes upon itself before it reads anything.

    `memory_bytes` is address space; `text_characters` counts what was read out
    of the document; `unpacked_bytes` the members of a ZIP archive together.
    """

    memory_bytes: int = 1 << 30
    processor_seconds: int = 120
    text_characters: int = 20_000_000
    unpacked_bytes: int = 500_000_000
    compression_ratio: int = 200
    archive_members: int = 10_000
    members: int = 1_000
    depth: int = 3
    chunks: int = 50_000
    chunk_tokens: int = 200
    chunk_overlap_tokens: int = 40
