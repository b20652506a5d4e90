import itertools
import uuid

import pytest
from tests.contract.sample_points import point

from carrel.domain.errors import IsolationViolation
from carrel.domain.ids import DocumentId, TenantId
from carrel.vectors import schema

OURS = TenantId("ten_ours")
THEIRS = TenantId("ten_theirs")


def test_a_chunk_always_has_the_same_id() -> None:
    first = schema.chunk_id(OURS, DocumentId("doc"), 1, 0)
    assert first == schema.chunk_id(OURS, DocumentId("doc"), 1, 0)
    assert first == "d26d1c3f-47e5-8573-b7b3-c03800000000"


def test_the_chunks_of_a_version_sort_in_their_order() -> None:
    ids = [schema.chunk_id(OURS, DocumentId("doc"), 1, ordinal) for ordinal in range(70_000)]
    assert ids == sorted(ids)
    made = uuid.UUID(ids[65_537])
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


def test_no_two_places_have_the_same_id() -> None:
    names = ["", "a", "aa", "1", "11", "1:a", "a1:"]
    places = list(itertools.product(names, names, (1, 11), (0, 1, 11)))
    ids = {
        schema.chunk_id(TenantId(tenant), DocumentId(document), version, ordinal)
        for tenant, document, version, ordinal in places
    }
    assert len(ids) == len(places)


def test_a_point_comes_back_as_it_was_stored() -> None:
    stored = point("doc", "text", version=2, ordinal=3, heading="A › B", page=4)
    hit = schema.to_chunk(OURS, "id", schema.to_payload(OURS, stored))
    assert hit.chunk == stored.chunk
    assert (hit.document_id, hit.version, hit.content_hash) == ("doc", 2, stored.content_hash)


def test_a_chunk_needs_no_other_fields_than_those_that_are_fetched() -> None:
    payload = schema.to_payload(OURS, point("doc"))
    schema.to_chunk(OURS, "id", {name: payload[name] for name in schema.SHOWN})


@pytest.mark.parametrize("payload", [schema.to_payload(THEIRS, point("doc")), {}])
def test_a_payload_that_is_not_the_tenants_is_never_a_hit(payload: dict[str, object]) -> None:
    with pytest.raises(IsolationViolation):
        schema.to_chunk(OURS, "id", payload)
