"""Which words a mark is said of."""

import pytest

from carrel.answering.marks import claim_before, said_before

BEFORE = "Goods are sent back to the shop, e.g. by post [2]. "


@pytest.mark.parametrize("sentences", [0, 1, 3, 4, 5, 60])
@pytest.mark.parametrize(
    "claim",
    [
        "Refunds take 30 days",
        "Refunds, cf. Dr. Who in No. 5, take 30 days",
        "Refunds take 30 days, " + "and then another day, " * 20 + "at most",
    ],
)
def test_a_mark_belongs_to_the_last_sentence_of_a_line_of_any_length(claim: str, sentences: int):
    text = "Another line.\n" + BEFORE * sentences + claim
    assert claim_before(text) == claim
    assert claim_before(text + ".") == claim + "."
    assert claim_before(text + " [1]") == claim


@pytest.mark.parametrize("sentences", [0, 1, 60])
def test_a_mark_covers_what_was_said_since_the_mark_before_it(sentences: int):
    text = "Another line [1] here.\n" + BEFORE * sentences + "[3] Refunds take 30 days"
    assert said_before(text).endswith("Refunds take 30 days")
    assert "Goods" not in said_before(text)
    # Marks side by side share their words, and brackets of other kinds are none.
    assert said_before(text + " [1][2, 3]") == said_before(text)
    assert said_before(text + " [see below] [1](x)") == said_before(text) + " [see below] [1](x)"


def test_nothing_is_said_before_the_first_word():
    assert claim_before("") == said_before("") == ""
    assert claim_before("Words.\n [1]") == said_before("Words.\n [1]") == ""
