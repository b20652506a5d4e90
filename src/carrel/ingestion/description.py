"""What a client says of a document that it sends, and what it must not say."""

from dataclasses import dataclass, field

from carrel.domain.document import Metadata, Scalar
from carrel.domain.errors import InvalidRequest
from carrel.domain.filter import is_text
from carrel.jobs.queue import Priority

MAX_ID = 200
MAX_TITLE = 500
RESERVED_ENDINGS = ("/events", "/cancel")  # of addresses that say something of a document


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client says of the document that it sends."""

    filename: str | None = None
    media_type: str | None = None
    title: str | None = None
    document_id: str | None = None
    metadata: Metadata = field(default_factory=dict[str, Scalar])
    groups: tuple[str, ...] = ()  # who may see it; none: everyone of the tenant
    idempotency_key: str | None = None
    seen_by: tuple[str, ...] = ()  # the groups of the caller
    priority: Priority = "normal"  # among the tenant's own


def check(upload: Upload) -> None:
    """Raises `InvalidRequest` for what no document can have."""
    name = upload.document_id
    if name is not None and (not name.strip() or len(name) > MAX_ID or not name.isprintable()):
        raise InvalidRequest(
            f"document_id has 1 to {MAX_ID} printable characters", param="document_id"
        )
    if name is not None and name.endswith(RESERVED_ENDINGS):
        raise InvalidRequest(
            f"document_id must not end in {' or '.join(RESERVED_ENDINGS)}", param="document_id"
        )
    key = upload.idempotency_key
    if key is not None and not 0 < len(key) <= MAX_ID:
        raise InvalidRequest(
            f"an Idempotency-Key has 1 to {MAX_ID} characters", param="Idempotency-Key"
        )
    title = upload.title
    if title is not None and (len(title) > MAX_TITLE or not is_text(title)):
        raise InvalidRequest(f"title has at most {MAX_TITLE} characters", param="title")
    if upload.filename is not None and not is_text(upload.filename):
        raise InvalidRequest("the file's name is not valid text", param="file")
