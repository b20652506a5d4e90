import pytest

from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.synonyms import says

ENGLISH, GERMAN = Bm25Encoder(), Bm25Encoder("german")


def means(bm25: Bm25Encoder, question: str, word: str, text: str) -> bool:
    """Whether *text* says *word* of *question*, in whatever words."""
    (stem,) = bm25.terms(word)
    return says(bm25.terms(text), stem, bm25.synonyms(bm25.terms(question)))


@pytest.mark.parametrize(
    ("question", "word", "text"),
    [
        ("Can I work from home?", "home", "Remote work"),
        ("How much vacation is there?", "vacation", "Days of holiday"),
        ("Where is the headquarters?", "headquarters", "The head office"),
    ],
)
def test_a_text_in_other_words_says_the_same(question: str, word: str, text: str) -> None:
    assert means(ENGLISH, question, word, text)


def test_a_phrase_stands_only_where_all_its_words_are() -> None:
    assert not means(ENGLISH, "Where is the headquarters?", "headquarters", "The office")
    # "home" means remote work only beside "work".
    assert not means(ENGLISH, "Who is at home?", "home", "Remote employees")


def test_german_has_its_own() -> None:
    assert means(GERMAN, "Wie viel Urlaub gibt es?", "Urlaub", "30 Tage Ferien")


def test_a_language_without_a_list_has_none() -> None:
    spanish = Bm25Encoder("spanish")
    assert spanish.synonyms(spanish.terms("vacaciones de empleados")) == {}


def test_a_question_without_listed_words_has_none() -> None:
    assert ENGLISH.synonyms(ENGLISH.terms("Which volcano erupted?")) == {}
