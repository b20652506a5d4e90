import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrel.answering.citations import cite
from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId

REFUNDS = (
    "Returns are easy. Refunds take 30 days from\nthe day of delivery. Shipping is not refunded."
)
PLANS = "# Prices\n\n| Plan | Price |\n|---|---|\n| Starter | $29 |\n| Pro | $89 |\n"


def passage(text: str, start: int = 0) -> Passage:
    return Passage(
        ChunkId(f"chunk-{start}"),
        DocumentId("doc_1"),
        1,
        "Policy",
        text,
        start,
        start + len(text),
        "Sales › Refunds",
        4,
        "",
        0.5,
    )


SOURCES = (passage(REFUNDS, 1_000), passage(PLANS, 5_000))


def quotes(text: str) -> list[tuple[int, str]]:
    return [(citation.index, citation.quote) for citation in cite(text, SOURCES)]


def test_a_citation_points_at_the_sentence_in_the_document() -> None:
    (citation,) = cite("Refunds take 30 days from the day of delivery [1].", SOURCES)
    assert citation.quote == "Refunds take 30 days from\nthe day of delivery."
    start = 1_000 + REFUNDS.index("Refunds take")
    assert (citation.start, citation.end) == (start, start + len(citation.quote))
    assert (citation.chunk_id, citation.document_id) == ("chunk-1000", "doc_1")
    assert (citation.title, citation.heading, citation.page) == ("Policy", "Sales › Refunds", 4)


def test_a_reworded_sentence_points_at_the_one_with_most_words_in_common() -> None:
    assert quotes("You will not be refunded for shipping [1].") == [
        (1, "Shipping is not refunded.")
    ]


def test_a_table_row_is_found_by_its_cells_and_columns() -> None:
    assert quotes("Plan: Pro; Price: $89 [2]") == [(2, "| Pro | $89 |")]


def test_a_sentence_without_a_word_in_common_cites_the_whole_passage() -> None:
    assert quotes("Gewiss [1].") == [(1, REFUNDS)]


@pytest.mark.parametrize("marks", ["[2][1]", "[2, 1]", "[2] [1]", "[2,1]"])
def test_marks_are_read_in_every_spelling_and_kept_in_order(marks: str) -> None:
    assert [citation.index for citation in cite(f"Pro costs $89 {marks}.", SOURCES)] == [2, 1]


def test_a_mark_after_the_full_stop_belongs_to_the_sentence_before() -> None:
    text = "Shipping is not refunded. [1] Pro costs $89.[2] Thanks."
    assert quotes(text) == [(1, "Shipping is not refunded."), (2, "| Pro | $89 |")]


def test_a_source_marked_twice_is_cited_once_where_it_supports_best() -> None:
    text = "Something vague about returns [1]. Shipping is not refunded [1]."
    assert quotes(text) == [(1, "Shipping is not refunded.")]


@pytest.mark.parametrize(
    "text", ["No marks.", "[0] none", "Too high [3].", "[x]", "[1](https://x)", "`a[1]`", "[2024]"]
)
def test_what_names_no_source_is_no_citation(text: str) -> None:
    assert cite(text, SOURCES) == ()


@given(st.text("Refunds take 30. [1]29,\n`|", max_size=60))
def test_quotes_are_the_documents_own_characters(text: str) -> None:
    for citation in cite(text, SOURCES):
        source = SOURCES[citation.index - 1]
        local = slice(citation.start - source.start, citation.end - source.start)
        assert source.text[local] == citation.quote
        assert citation.quote
