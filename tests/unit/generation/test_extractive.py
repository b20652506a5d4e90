import pytest

from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.embedding.sparse import Bm25Encoder
from carrel.embedding.static import StaticEmbedder
from carrel.generation.extractive import NOTHING_TO_QUOTE, ExtractiveGenerator
from carrel.generation.generator import Delta, Finish, GenerationRequest

LEAVE = (
    "## Time off\n\nEvery employee has 23 days of paid holiday a year. "
    "Employees get 16 weeks of parental leave at full pay. It must begin within a year."
)
NOTICE = "The notice period is four weeks. It is eight weeks after two years."
PRICES = "| Plan | Price |\n|---|---|\n| Starter | $29 |\n| Pro | $89 |\n"
FAQ = "**What are the support hours?**\n\nMonday to Friday, 07:00 to 19:00, except on holidays."


def passage(text: str, *, score: float = 0.5, heading: str = "") -> Passage:
    return Passage(
        ChunkId(text), DocumentId("doc_1"), 1, "", text, 0, len(text), heading, None, "", score
    )


def generator() -> ExtractiveGenerator:
    return ExtractiveGenerator(StaticEmbedder(), lambda question: Bm25Encoder())


async def answer(
    question: str, *passages: Passage | str, max_tokens: int = 512
) -> tuple[list[str], Finish]:
    sources = [passage(p) if isinstance(p, str) else p for p in passages]
    request = GenerationRequest(question, sources, max_tokens)
    *deltas, finish = [part async for part in generator().generate(request)]
    assert isinstance(finish, Finish)
    return [delta.text for delta in deltas if isinstance(delta, Delta)], finish


async def text_of(question: str, *passages: Passage | str) -> str:
    return "".join((await answer(question, *passages))[0])


async def test_the_sentence_that_answers_is_quoted_with_its_passages_number() -> None:
    text = await text_of("How many weeks of parental leave do employees get?", NOTICE, LEAVE)
    assert text == "Employees get 16 weeks of parental leave at full pay [2]."


async def test_a_row_is_readable_by_itself() -> None:
    text = await text_of("What is the price of the Pro plan?", PRICES)
    assert text == "Plan: Pro; Price: $89 [1]"


async def test_a_row_of_a_table_cut_in_two_takes_its_header_from_the_heading() -> None:
    rows = passage("| Starter | $29 |\n| Pro | $89 |\n", heading="Prices › Plan | Price")
    assert await text_of("What is the price of Pro?", rows) == "Plan: Pro; Price: $89 [1]"


async def test_a_question_in_the_text_is_never_the_answer_but_leads_to_it() -> None:
    text = await text_of("What are the support hours?", FAQ, NOTICE)
    assert text == "Monday to Friday, 07:00 to 19:00, except on holidays [1]."


async def test_headings_are_never_quoted() -> None:
    text = await text_of("What about time off?", LEAVE)
    assert "Time off" not in text
    assert await text_of("What about time off?", "# Time off") == NOTHING_TO_QUOTE


async def test_a_number_is_preferred_where_a_number_is_asked_for() -> None:
    vague = "The trial period of a new contract lasts for quite a while in most cases."
    exact = "The trial period of a new contract lasts for 90 days in most cases."
    text = await text_of("How long does the trial period last?", vague, exact)
    assert text.startswith("The trial period of a new contract lasts for 90 days")


async def test_a_sentence_that_points_back_comes_with_the_one_before() -> None:
    tower = "The tower stands in Lyon. It was built in 1889 by a railway engineer from Dijon."
    text = await text_of("When was it built, by which engineer?", tower)
    assert text == (
        "The tower stands in Lyon [1]. It was built in 1889 by a railway engineer from Dijon [1]."
    )


async def test_a_sentence_in_two_overlapping_passages_is_quoted_once() -> None:
    text = await text_of("What is the notice period?", NOTICE, NOTICE)
    assert text.count("four weeks") == 1


async def test_footnotes_of_a_source_do_not_become_citations() -> None:
    text = await text_of(
        "What is the notice period?", "The notice period is four weeks.[3] Ask us."
    )
    assert "[3]" not in text
    assert "[1]" in text


async def test_each_sentence_is_a_delta_and_they_join_without_gaps() -> None:
    deltas, finish = await answer("What is the notice period after two years?", NOTICE)
    assert "".join(deltas) == (
        "The notice period is four weeks [1]. It is eight weeks after two years [1]."
    )
    assert len(deltas) == 2
    assert (finish.model, finish.finish_reason) == ("extractive", "stop")


async def test_the_same_question_gives_the_same_answer() -> None:
    question = "How many days of holiday and weeks of leave?"
    first = await answer(question, LEAVE, NOTICE, PRICES)
    assert all([await answer(question, LEAVE, NOTICE, PRICES) == first for _ in range(3)])


@pytest.mark.parametrize("max_tokens", [1, 5, 12])
async def test_an_answer_stays_within_max_tokens_and_says_that_it_was_cut(max_tokens: int) -> None:
    deltas, finish = await answer(
        "What is the notice period after two years?", NOTICE, max_tokens=max_tokens
    )
    embedder = StaticEmbedder()
    assert sum(embedder.count_tokens(delta) for delta in deltas) <= max_tokens
    assert finish.completion_tokens <= max_tokens
    assert finish.finish_reason == "length"


async def test_tokens_are_counted_by_the_embedders_tokenizer() -> None:
    question = "What is the notice period?"
    deltas, finish = await answer(question, NOTICE, LEAVE)
    count = StaticEmbedder().count_tokens
    assert finish.prompt_tokens == count(question) + count(NOTICE) + count(LEAVE)
    assert finish.completion_tokens == sum(map(count, deltas))


async def test_german_passages_answer_german_questions() -> None:
    text = await text_of(
        "Wie lange ist die Kündigungsfrist?",
        "Der Urlaub beträgt 30 Tage. Die Kündigungsfrist beträgt z.B. im ersten Jahr vier Wochen.",
    )
    assert "Die Kündigungsfrist beträgt z.B. im ersten Jahr vier Wochen [1]." in text


async def test_no_passages_are_said_to_hold_nothing() -> None:
    assert await text_of("What is the notice period?") == NOTHING_TO_QUOTE
