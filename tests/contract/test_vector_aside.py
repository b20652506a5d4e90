"""What lies aside in every vector store: visible to its own word at once, and to nothing else."""

import pytest
from tests.contract.conftest import new_tenant
from tests.contract.sample_points import (
    EAST,
    HOSTILE,
    A,
    documents,
    look,
    point,
    publish,
    search,
    texts,
    words,
)

from carrel.domain.ids import DocumentId
from carrel.domain.vector import SparseVector
from carrel.vectors.schema import ASIDE, is_aside
from carrel.vectors.store import VectorStore

pytestmark = pytest.mark.usefixtures("unblocked_loop")

KEPT = DocumentId(f"{ASIDE}kept")
NO_WORDS = SparseVector([], [])


async def test_what_is_staged_aside_is_visible_at_once_to_handles_of_its_word(
    vector_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    await vector_store.tenant(tenant_id, aside="one").stage([point(KEPT, "apple")])
    same = vector_store.tenant(tenant_id, aside="one")
    assert texts((await search(same)).dense) == ["apple"]
    assert await same.count() == 1
    for other in ("two", "On", "one ", "", *HOSTILE):
        handle = vector_store.tenant(tenant_id, aside=other)
        assert (await search(handle)).dense == []
        assert await handle.count() == 0


async def test_no_caller_sees_what_lies_aside_whatever_the_groups(
    vector_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    aside = vector_store.tenant(tenant_id, aside="one")
    await aside.stage([point(KEPT, "apple aside")])
    [hit] = (await aside.search(EAST, NO_WORDS, limit=10)).dense
    for groups in ([], ["one"], ["aside:one"], ["group:one"], ["", "aside"], ["everyone"]):
        handle = vector_store.tenant(tenant_id, groups)
        hits = await search(handle)
        assert hits.dense == hits.sparse == []
        assert await handle.fetch([hit.chunk_id]) == {}
        assert await handle.count() == await handle.count(KEPT) == 0


async def test_a_handle_aside_sees_no_document(vector_store: VectorStore) -> None:
    tenant_id = new_tenant()
    ours = vector_store.tenant(tenant_id)
    await publish(ours, point(A, "apple for all"))
    await ours.stage([point("one", "apple for one")])
    await ours.publish(DocumentId("one"), 1, ["one", "aside:one", "everyone"])
    aside = vector_store.tenant(tenant_id, aside="one")
    assert (await search(aside)).dense == []
    assert await aside.count() == 0


async def test_what_lies_aside_does_not_change_the_scores_of_words(
    vector_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    ours = vector_store.tenant(tenant_id)
    await publish(ours, point(A, "apple pear"), point("b", "pear"))
    before = await ours.search(EAST, words("apple"), limit=10)
    aside = vector_store.tenant(tenant_id, aside="one")
    await aside.stage([point(KEPT, "apple", version=n) for n in range(1, 20)])
    assert await ours.search(EAST, words("apple"), limit=10) == before


async def test_another_tenant_of_the_same_word_sees_nothing(vector_store: VectorStore) -> None:
    await vector_store.tenant(new_tenant(), aside="one").stage([point(KEPT, "apple")])
    theirs = vector_store.tenant(new_tenant(), aside="one")
    assert (await search(theirs)).dense == []
    assert await theirs.inventory() == []


async def test_what_lies_aside_is_listed_and_discarded_and_erased_with_the_tenant(
    vector_store: VectorStore,
) -> None:
    tenant_id = new_tenant()
    ours = vector_store.tenant(tenant_id)
    await publish(ours, point(A, "apple"))
    aside = vector_store.tenant(tenant_id, aside="one")
    await aside.stage([point(KEPT, "apple", version=n) for n in (1, 2, 3)])
    stored = [each for each in await ours.inventory() if is_aside(each.document_id)]
    assert {(each.version, each.points) for each in stored} == {(1, 1), (2, 1), (3, 1)}
    await ours.discard(KEPT, 2)
    assert len((await search(aside)).dense) == 2
    await ours.withdraw(KEPT, before=3)
    assert [hit.version for hit in (await search(aside)).dense] == [3]
    await ours.erase()
    assert await ours.inventory() == []
    assert (await search(aside)).dense == []


async def test_a_point_without_words_is_found_by_its_meaning(vector_store: VectorStore) -> None:
    aside = vector_store.tenant(new_tenant(), aside="one")
    await aside.stage([point(KEPT, "")])
    found = await look(aside, EAST, NO_WORDS, limit=5)
    assert documents(found.dense) == {KEPT}
    assert found.sparse == []
