import pytest
from tests.unit.retrieval.hits import passage

from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import StaticEmbedder, embed
from carrel.retrieval.relevance import evidence, is_relevant

STATIC = StaticEmbedder().identity
BM25 = Bm25Encoder()
HANDBOOK = (
    "Employees get 16 weeks of parental leave at full pay after the birth of a child.",
    "The notice period is four weeks in the first two years and eight weeks after that.",
    "Hotels cost at most $190 a night, or $260 in New York and San Francisco.",
)
HANDBUCH = (
    "Beschäftigte erhalten nach der Geburt eines Kindes 16 Wochen Elternzeit bei vollem Gehalt.",
    "Die Kündigungsfrist beträgt in den ersten beiden Jahren vier Wochen.",
)


def found(question: str, texts: tuple[str, ...]) -> list:
    query = embed(question)
    return [passage(text, cosine=float(query @ embed(text))) for text in texts]


@pytest.mark.parametrize(
    "question",
    [
        "How many weeks of parental leave do employees get?",
        "What is the notice period?",
        "hotel cost in New York",
        "how long is parental leave",
        "Can new parents take leave?",
    ],
)
def test_a_question_that_the_passages_answer_is_relevant(question: str) -> None:
    assert is_relevant(question, found(question, HANDBOOK), BM25, identity=STATIC)


@pytest.mark.parametrize(
    "question",
    [
        "How many moons does Jupiter have?",
        "Who painted the Mona Lisa?",
        "What is the boiling point of mercury?",
        "How long does the battery of a RoadLink tracker last?",
    ],
)
def test_a_question_about_something_else_is_not(question: str) -> None:
    assert not is_relevant(question, found(question, HANDBOOK), BM25, identity=STATIC)


@pytest.mark.parametrize("language", ["english", "german"])
def test_german_questions_are_answered_and_refused_too(language: str) -> None:
    bm25 = Bm25Encoder(language)
    question = "Wie viele Wochen Elternzeit erhalten Beschäftigte?"
    assert is_relevant(question, found(question, HANDBUCH), bm25, identity=STATIC)
    question = "Welche Spurweite hat die Schmalspurbahn in Sachsen?"
    assert not is_relevant(question, found(question, HANDBUCH), bm25, identity=STATIC)


def test_no_passages_are_not_relevant() -> None:
    assert not is_relevant("What is the notice period?", [], BM25, identity=STATIC)


def test_other_embedders_refuse_only_what_shares_next_to_nothing() -> None:
    near = [passage("The notice period is four weeks.", cosine=0.05)]
    assert is_relevant("What is the notice period?", near, BM25, identity="http:some-model:1536")
    far = [passage("Hotels cost at most $190 a night.", cosine=0.9)]
    assert not is_relevant("What is the notice period?", far, BM25, identity="http:some-model:1536")


def test_title_and_heading_count_as_words_of_the_passage() -> None:
    question = "What is the refund period of Acme?"
    bare = evidence(question, [passage("30 days.")], BM25)
    titled = evidence(
        question, [passage("30 days.", title="Acme returns", heading="Refund period")], BM25
    )
    assert bare.coverage == 0
    assert titled.coverage == 1
    assert (bare.named, titled.named) == (0, 1)


def test_only_the_best_passages_are_considered() -> None:
    passages = [passage("Nothing of the kind.")] * 8 + [passage("The notice period.", cosine=0.9)]
    measured = evidence("What is the notice period?", passages, BM25)
    assert (measured.cosine, measured.coverage, measured.held) == (0, 0, 0)


def test_a_question_of_stop_words_alone_is_measured_without_a_division_by_zero() -> None:
    measured = evidence("what is it?", [passage("It is what it is.", cosine=0.4)], BM25)
    assert (measured.coverage, measured.named, measured.words) == (0, 0.6, 0)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Can I work from home?", "Employees may work remotely up to two days a week."),
        ("How much vacation do staff get?", "Every employee has 23 days of paid holiday."),
        ("Where is the headquarters?", "The head office is at 418 Foundry Street."),
    ],
)
def test_a_question_in_other_words_than_the_text_is_relevant(question: str, text: str) -> None:
    assert is_relevant(question, found(question, (text, *HANDBOOK)), BM25, identity=STATIC)


def test_a_part_of_a_compound_counts_for_less_than_the_word() -> None:
    german = Bm25Encoder("german")
    question = "Was kostet die Schmalspurbahn?"
    whole, part, none = (
        evidence(question, [passage(text)], german).coverage
        for text in ("Eine Schmalspurbahn.", "Eine Spurbahn.", "Ein Apfel.")
    )
    assert whole > part > none == 0


def test_words_that_say_more_weigh_more() -> None:
    question = "Which company made the accelerometer?"
    company = evidence(question, [passage("A company.")], BM25)
    accelerometer = evidence(question, [passage("An accelerometer.")], BM25)
    assert accelerometer.coverage > 1.3 * company.coverage
