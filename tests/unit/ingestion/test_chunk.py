from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from carrel.domain.document import ParsedDocument
from carrel.ingestion import token_count
from carrel.ingestion.chunk import chunk
from carrel.ingestion.token_count import tokenizer_file

SENTENCE = "The kitchen opens at seven and closes when the last guest has left. "

lines = st.one_of(
    st.sampled_from(
        [
            "",
            "# Refunds",
            "## Travel › Oslo",
            "Holidays\n========",
            "```python\n# no heading\n```",
            "```",
            "- item one\n- item two",
            "| City | Hotel |\n|---|---|\n| Oslo | 210 |",
            "> quoted",
            "---",
            "返金は三十日以内に支払われます。",
            SENTENCE * 3,
            "x" * 900,
        ]
    ),
    st.text(max_size=80),
)
documents = st.lists(lines, max_size=25).map("\n".join)


@cache
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.from_file(str(tokenizer_file()))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


@given(documents, st.sampled_from([(200, 40), (60, 10), (32, 0)]))
@settings(max_examples=150)
def test_chunks_are_exact_ordered_bounded_and_leave_nothing_out(text, size):
    tokens, overlap = size
    chunks = chunk(ParsedDocument(text), tokens=tokens, overlap=overlap)

    covered = 0
    for ordinal, piece in enumerate(chunks):
        assert piece.ordinal == ordinal
        assert piece.text == text[piece.start : piece.end]
        assert piece.text.strip()
        assert not text[covered : piece.start].strip()
        assert piece.end > covered
        assert len(tokenizer().encode(piece.text).ids) <= tokens
        covered = piece.end
    assert not text[covered:].strip()


@pytest.mark.parametrize("text", ["000\U00010000\n" * 3 + "000\U00010000", "\U00010000" * 8])
def test_a_text_of_more_tokens_than_bytes_is_cut_too(text):
    chunks = chunk(ParsedDocument(text), tokens=32, overlap=0)
    assert len(chunks) == 2
    assert "".join(piece.text for piece in chunks) == text
    assert all(len(tokenizer().encode(piece.text).ids) <= 32 for piece in chunks)


def test_blank_lines_after_a_heading_count():
    for length in range(750, 790):
        for piece in chunk(ParsedDocument("# Refunds\n\n\n" + "x" * length)):
            assert len(tokenizer().encode(piece.text).ids) <= 200


@given(documents)
@settings(max_examples=50)
def test_the_same_text_is_cut_the_same_way_each_time(text):
    assert chunk(ParsedDocument(text)) == chunk(ParsedDocument(text))


def test_no_chunk_runs_over_a_heading():
    text = "# A\n\nfirst\n\n# B\n\nsecond\n"
    assert [c.text for c in chunk(ParsedDocument(text))] == ["# A\n\nfirst", "# B\n\nsecond"]


def test_a_chunk_carries_the_path_of_headings_above_it():
    text = "top\n\n# A\n\none\n\n## B\n\ntwo\n\n### C\n\nthree\n\n## D\n\nfour\n"
    assert [(c.heading, c.text[-5:].strip()) for c in chunk(ParsedDocument(text))] == [
        ("", "top"),
        ("A", "one"),
        ("A › B", "two"),
        ("A › B › C", "three"),
        ("A › D", "four"),
    ]


def test_a_heading_without_text_goes_with_what_follows():
    text = "# Handbook\n\n## Empty\n\n## Refunds\n\nThirty days.\n\n## Last\n"
    chunks = chunk(ParsedDocument(text))
    assert [c.text for c in chunks] == [text.strip()]
    assert chunks[0].heading == "Handbook › Refunds"


def test_a_heading_stays_with_the_first_words_of_a_long_section():
    text = "# Opening hours\n\n" + SENTENCE * 60
    chunks = chunk(ParsedDocument(text))
    assert len(chunks) > 3
    assert chunks[0].text.startswith("# Opening hours\n\nThe kitchen")
    assert {c.heading for c in chunks} == {"Opening hours"}


def test_a_heading_too_long_for_its_chunk_is_cut_like_text():
    text = f"# {SENTENCE * 40}\n\nshort\n"
    chunks = chunk(ParsedDocument(text))
    assert len(chunks) > 2
    assert all(len(c.heading) <= 120 for c in chunks)


def test_a_document_of_headings_alone_is_one_chunk():
    assert [c.text for c in chunk(ParsedDocument("# A\n\n## B\n"))] == ["# A\n\n## B"]


def test_neighbouring_chunks_of_a_section_overlap():
    chunks = chunk(ParsedDocument(SENTENCE * 60), tokens=100, overlap=30)
    assert all(after.start < before.end for before, after in pairwise(chunks))


def test_without_overlap_chunks_do_not_share_text():
    chunks = chunk(ParsedDocument(SENTENCE * 60), tokens=100, overlap=0)
    assert all(after.start >= before.end for before, after in pairwise(chunks))


def test_rows_far_below_a_table_header_carry_it_in_their_heading():
    rows = "".join(f"| City {n} | {n} |\n" for n in range(100))
    chunks = chunk(ParsedDocument(f"# Rates\n\n| City | Hotel |\n|---|---|\n{rows}\nEnd.\n"))
    assert chunks[0].heading == "Rates"
    assert all(c.heading == "Rates › City | Hotel" for c in chunks[1:])


@pytest.mark.parametrize(("offset", "page"), [(0, 1), (9, 1), (10, 2), (19, 2), (20, 4), (29, 4)])
def test_a_chunk_has_the_page_on_which_it_starts(offset, page):
    text = " " * offset + "x" + " " * (30 - offset)
    document = ParsedDocument(text, page_starts=(0, 10, 20, 20))
    assert [c.page for c in chunk(document)] == [page]


def test_formats_without_pages_give_chunks_without_pages():
    assert [c.page for c in chunk(ParsedDocument("x"))] == [None]


def test_blank_text_has_no_chunks():
    assert chunk(ParsedDocument("")) == chunk(ParsedDocument(" \n\t\n")) == []


def test_text_without_any_break_is_still_cut():
    chunks = chunk(ParsedDocument("x" * 40_000))
    assert chunks[-1].end == 40_000
    assert all(len(tokenizer().encode(c.text).ids) <= 200 for c in chunks)


def test_the_tokenizer_is_read_once_whatever_room_headings_leave(monkeypatch: pytest.MonkeyPatch):
    """To read it takes 70 ms, which is a hundred times what a document takes to be cut."""
    read: list[str] = []

    def counted() -> Tokenizer:
        read.append("once more")
        return original()

    original = token_count._tokenizer
    monkeypatch.setattr(token_count, "_tokenizer", counted)
    sections = "\n\n".join(f"# {'Travel ' * n}\n\n{SENTENCE}" for n in range(1, 12))
    assert len(chunk(ParsedDocument(sections), tokens=123)) == 11
    assert len(read) == 1
