from dataclasses import replace

import pytest

from carrel.domain.document import Chunk, Passage
from carrel.domain.ids import ChunkId, DocumentId, TenantId
from carrel.retrieval.context import choose, completed, fit, gaps, tokens_of
from carrel.vectors.schema import chunk_id, neighbour
from carrel.vectors.store import StoredChunk

TENANT = TenantId("ten_1")
TEXT = (
    "Refunds take 30 days. They are paid to the account that the money came from. "
    "Shipping is not refunded, except where the product was faulty on arrival. Ask us."
)
ITEMS = "Not refunded:\n\n- Labels.\n- Ribbons.\n- Training days.\n- Installation.\n\nAsk us."


def chunk(text: str, start: int, end: int, ordinal: int, **changes) -> StoredChunk:
    document = DocumentId("doc_1")
    stored = StoredChunk(
        chunk_id(TENANT, document, 1, ordinal),
        document,
        1,
        Chunk(ordinal, text[start:end], start, end),
        "",
    )
    return replace(stored, **changes)


def passage(stored: StoredChunk, score: float = 0.5) -> Passage:
    piece = stored.chunk
    return Passage(
        stored.chunk_id, stored.document_id, stored.version, "", piece.text, piece.start,
        piece.end, "", None, "", score,
    )  # fmt: skip


def of(document: str, text: str, score: float) -> Passage:
    return replace(
        passage(chunk(text, 0, len(text), 0), score),
        chunk_id=ChunkId(f"{document}{text}"),
        document_id=DocumentId(document),
    )


def complete(text: str, *spans: tuple[int, int]) -> Passage:
    """The second of three chunks of *text*, completed from the others."""
    chunks = [chunk(text, start, end, ordinal) for ordinal, (start, end) in enumerate(spans)]
    found = passage(chunks[1])
    broken = gaps([found])
    by_id = {each.chunk_id: each for each in chunks}
    (whole,) = completed([found], broken, by_id)
    assert text[whole.start : whole.end] == whole.text
    return whole


def test_a_neighbours_id_is_that_of_the_chunk_beside_it() -> None:
    ids = [chunk_id(TENANT, DocumentId("doc_1"), 1, ordinal) for ordinal in range(3)]
    assert neighbour(ids[1], 1) == ids[2]
    assert neighbour(ids[1], -1) == ids[0]
    assert neighbour(ids[0], -1) is None


def test_a_sentence_cut_at_either_end_is_completed_and_no_more() -> None:
    cut, end = TEXT.index("are paid"), TEXT.index("where the")
    whole = complete(TEXT, (0, cut + 10), (cut, end), (end - 7, len(TEXT)))
    assert whole.text == TEXT[TEXT.index("They are") : TEXT.index(" Ask us.")]


def test_a_list_that_goes_on_is_completed_to_its_end() -> None:
    cut = ITEMS.index("\n- Training")
    whole = complete(ITEMS, (0, 5), (0, cut), (cut, len(ITEMS)))
    assert whole.text.endswith("- Installation.")


def test_a_whole_passage_needs_no_neighbour() -> None:
    assert gaps([passage(chunk(TEXT, 0, len(TEXT), 1))]) == []


def test_a_neighbour_that_is_itself_a_passage_is_not_added() -> None:
    cut = TEXT.index("where the")
    first, second = chunk(TEXT, 0, cut, 0), chunk(TEXT, cut, len(TEXT), 1)
    assert gaps([passage(first), passage(second)]) == []
    assert [gap.neighbour for gap in gaps([passage(first)])] == [second.chunk_id]


@pytest.mark.parametrize(
    "stranger",
    [{"version": 2}, {"document_id": DocumentId("other")}],
)
def test_a_chunk_of_something_else_completes_nothing(stranger: dict) -> None:
    cut = TEXT.index("where the")
    first, second = chunk(TEXT, 0, cut, 0), chunk(TEXT, cut, len(TEXT), 1, **stranger)
    found = passage(first)
    assert completed([found], gaps([found]), {second.chunk_id: second}) == [found]


def test_a_chunk_that_does_not_touch_the_passage_completes_nothing() -> None:
    cut = TEXT.index("where the")
    first, second = chunk(TEXT, 0, cut, 0), chunk(TEXT, cut + 3, len(TEXT), 1)
    found = passage(first)
    assert completed([found], gaps([found]), {second.chunk_id: second}) == [found]
    assert completed([found], gaps([found]), {}) == [found]


def test_a_repetition_gives_way_to_the_next_passage() -> None:
    same = "Refunds take 30 days after the return of the goods is received."
    best, copy, other = of("a", same, 0.9), of("b", same + " Really.", 0.8), of("c", "Other", 0.1)
    assert choose([best, copy, other], 2) == [best, other]


def test_passages_that_differ_in_a_number_are_no_repetitions() -> None:
    text = "Refunds take {} days after the return of the goods is received by us."
    old, new = of("a", text.format(30), 0.9), of("b", text.format(14), 0.8)
    assert choose([old, new], 2) == [old, new]


def test_no_document_crowds_out_others_that_are_as_good() -> None:
    words = ["one", "two", "three", "four", "five"]
    crowd = [of("a", word, 0.9 - rank / 100) for rank, word in enumerate(words)]
    near, far = of("b", "near", 0.85), of("b", "far", 0.2)
    assert choose([*crowd, near], 4) == [*crowd[:3], near]
    assert choose([*crowd, far], 4) == crowd[:4]


def test_the_best_that_fit_are_kept_and_one_always() -> None:
    passages = [of("a", "x" * 3000, 0.9), of("b", "y" * 6000, 0.8), of("c", "z" * 300, 0.7)]
    assert [each.document_id for each in fit(passages, 1500)] == ["a", "c"]
    assert [each.document_id for each in fit(passages, 1)] == ["a"]


def test_tokens_are_rather_over_than_underestimated() -> None:
    assert tokens_of("The quick brown fox jumps over the lazy dog.") >= 10
    assert tokens_of("敏捷的棕色狐狸") >= 7
    assert tokens_of("") == 0
