"""What a tenant may do, as values: a state machine draws them, and `Park` carries them out."""

from dataclasses import dataclass, field
from typing import Any, Literal
from unicodedata import normalize

from hypothesis import strategies as st
from tests.isolation.canary import SUBJECTS

# The same ids in every tenant, some of them twins of each other.
DOCUMENT_IDS = (
    "policy",
    "Policy",
    "a/b",
    "a:b",
    normalize("NFC", "café"),
    normalize("NFD", "café"),
)
METADATA_FIELDS = ("lang", "year", "at", "tenant_id", "visible_to", "document_id", "facts")


@dataclass(frozen=True)
class Upload:
    """Make or replace a document; unless it waits, searches may show either version after it."""

    tenant: int
    document_id: str
    subject: str
    metadata: dict[str, Any]
    waits: bool


@dataclass(frozen=True)
class Delete:
    tenant: int
    document_id: str


@dataclass(frozen=True)
class Get:
    tenant: int
    document_id: str


@dataclass(frozen=True)
class List:
    tenant: int
    limit: int
    after: str | None


@dataclass(frozen=True)
class Search:
    tenant: int
    subject: str
    top_k: int
    where: Any


@dataclass(frozen=True)
class Ask:
    tenant: int
    subject: str
    route: Literal["query", "chat"]
    stream: bool
    where: Any = field(default=None)


Operation = Upload | Delete | Get | List | Search | Ask
Write = Upload | Delete


def operations(tenants: int) -> st.SearchStrategy[Operation]:
    """One operation of one of so many tenants; one in six writes."""
    who = st.integers(0, tenants - 1)
    document = st.sampled_from(DOCUMENT_IDS)
    subject = st.sampled_from(SUBJECTS)
    upload = st.builds(Upload, who, document, subject, _metadata(), st.booleans())
    search = st.builds(Search, who, subject, st.integers(1, 50), _filters())
    ask = st.builds(
        Ask, who, subject, st.sampled_from(["query", "chat"]), st.booleans(), _filters()
    )
    return st.one_of(
        upload,
        st.builds(Delete, who, document),
        st.builds(Get, who, document),
        st.builds(List, who, st.integers(1, 20), st.none() | document),
        *[search] * 5,
        *[ask] * 3,
    )


def _scalars() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.sampled_from(["en", "de", "everyone", "", "2024-01-01", *DOCUMENT_IDS]),
        st.integers(-3, 3),
        st.booleans(),
        st.floats(-2, 2),
    )


def _metadata() -> st.SearchStrategy[dict[str, Any]]:
    value = _scalars() | st.lists(_scalars(), max_size=3)
    return st.dictionaries(st.sampled_from(METADATA_FIELDS), value, max_size=3)


def _filters() -> st.SearchStrategy[Any]:
    """Filters of the grammar, and what looks like one: empty, nested, Qdrant's own, not JSON's."""
    bounds = st.dictionaries(st.sampled_from(["gte", "lte", "gt"]), _scalars(), max_size=2)
    value = _scalars() | st.lists(_scalars(), max_size=3) | bounds
    grammar = st.dictionaries(st.sampled_from(METADATA_FIELDS), value, max_size=2)
    odd = st.sampled_from(
        [
            {},
            {"": "x"},
            {"must": [{"key": "tenant_id", "match": {"any": []}}]},
            {"should": []},
            {"must_not": [{"has_id": []}]},
            {"tenant_id": {"gte": ""}},
            {"metadata.tenant_id": "x"},
            {"lang": {"lang": {"lang": "en"}}},
            {"lang": None},
            {"$or": [{"lang": "en"}, {}]},
            [],
            "tenant_id",
        ]
    )
    return st.none() | st.none() | grammar | odd
