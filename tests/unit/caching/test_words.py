"""Stems, phrases and kinds of answer by themselves."""

import pytest

from carrel.caching.guards.asking import asking
from carrel.caching.guards.phrases import phrase_at
from carrel.caching.guards.stems import is_participle, stem
from carrel.caching.guards.tokens import tokens_of


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("printer printers", "en"),
        ("policy policies", "en"),
        ("box boxes", "en"),
        ("store stored storing stores", "en"),
        ("plan planned planning", "en"),
        ("call called calling", "en"),
        ("cancel cancelled canceled", "en"),
        ("pay paid pays", "en"),
        ("kunde kunden", "de"),
        ("rechnung rechnungen", "de"),
    ],
)
def test_forms_of_a_word_have_one_stem(words: str, language: str) -> None:
    assert len({stem(word, language) for word in words.split()}) == 1


@pytest.mark.parametrize(
    "words",
    [
        "print printer",
        "opened unopened",
        "car care",
        "not note",
        "bus bu",
        "us use",
        "new news",
        "term terms",
    ],
)
def test_other_words_have_other_stems(words: str) -> None:
    one, other = words.split()
    assert stem(one, "en") != stem(other, "en")


def test_participles_are_told_from_verbs() -> None:
    assert all(map(is_participle, ["refunded", "told", "kept", "sent"]))
    assert not any(map(is_participle, ["refund", "tell", "keep", "send", "need", "red"]))


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Costs $10,000?", "en", ["costs", "dollar", "10000"]),
        ("Kostet es 10.000,50 €?", "de", ["kostet", "es", "10000.5", "euro"]),
        ("Is it 99.50%?", "en", ["is", "it", "99.5", "percent"]),
        ("Is 60km a code like LX-600C?", "en", ["is", "60", "km", "a", "code", "like", "lx-600c"]),
        ("Why can't we?", "en", ["why", "can", "not", "we"]),
        ("The card\u2019s limit of a\u2013b", "en", ["the", "card", "limit", "of", "a", "b"]),
        ("Could you tell me who pays?", "en", ["who", "pays"]),
        ('What is "not found"?', "en", ["what", "is", "not found"]),
        ("Is -5 less than 5?", "en", ["is", "-5", "less", "than", "5"]),
        ("Is C++ or C# used?", "en", ["is", "c", "+", "+", "or", "c", "#", "used"]),
    ],
)
def test_a_question_in_tokens(text: str, language: str, expected: list[str]) -> None:
    found = tokens_of(text)
    assert found.language == language
    assert [token.text for token in found.tokens] == expected


def test_names_are_told_by_capitals_and_digits_within_an_english_sentence() -> None:
    found = tokens_of("Who at Acme sells the LX-600 in the US?")
    assert [token.text for token in found.tokens if token.name] == ["acme", "lx-600", "us"]
    assert not any(token.name for token in tokens_of("Wer liest den Zähler ab?").tokens)


def test_the_longest_phrase_is_found_first() -> None:
    words = ["costs", "no", "more", "than", "ten"]
    assert phrase_at("en", words, 1) == ("most", 3)
    assert phrase_at("en", words, 2) == ("more", 2)
    assert phrase_at("en", words, 3) == ("", 0)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("who signs", "person"),
        ("by whom is it signed", "person"),
        ("which person signs", "person"),
        ("von wem wird es unterschrieben", "person"),
        ("when is it due", "time"),
        ("on what date is it due", "time"),
        ("in welchem monat kommt die rechnung", "time"),
        ("how many users are there", "count"),
        ("what is the number of users", "count"),
        ("how long does it take", "duration"),
        ("how often is it read", "frequency"),
        ("how do i sign", "manner"),
        ("what are the steps to sign", "manner"),
        ("is it due", "yes or no"),
        ("kann ich kündigen", "yes or no"),
        ("wie viel kostet es", "amount"),
        ("wieviel kostet es", "amount"),
        ("support hours", "thing"),
    ],
)
def test_the_kind_of_answer_that_a_question_wants(question: str, kind: str) -> None:
    assert kind in asking(question.split()).kinds
