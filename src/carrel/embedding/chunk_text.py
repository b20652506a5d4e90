"""What is embedded of a chunk."""

from carrel.domain.document import Chunk
from carrel.domain.ids import DocumentId


def embedded_text(title: str, chunk: Chunk) -> str:
    """What stands for a chunk in both indexes: the document's title, the headings, the text."""
    return "\n".join(part for part in (title, chunk.heading, chunk.text) if part)


def own_title(title: str, document_id: DocumentId) -> str:
    """A document's title, empty where it is but the id: an id says nothing about a text."""
    return "" if title == document_id else title
