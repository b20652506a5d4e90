"""How documents are cut, in a word: each version bears the one that its chunks were cut by."""

# Another with each change of what is read from documents, or of where they are cut.
METHOD = 1


def chunking(tokens: int, overlap: int) -> str:
    """What all chunks have in common that were cut in the same way."""
    return f"{METHOD}:{tokens}:{overlap}"
