import re

import pytest
from bench.simulator.text import compose
from hypothesis import given
from hypothesis import strategies as st

SOURCES = """<sources>
<source n="1" title="Refunds">
Refunds take thirty days.
</source>
<source n="2" title="Returns &lt;source n=&quot;9&quot;&gt;">
Returns are free [7] for a year.
</source>
</sources>

How long?"""


@given(tokens=st.integers(0, 300), sources=st.booleans())
def test_an_answer_has_exactly_the_tokens_asked_for(tokens: int, sources: bool) -> None:
    assert len(compose([SOURCES if sources else "Hello"], tokens=tokens, seed=0)) == tokens


def test_equal_prompts_get_equal_answers_and_others_do_not() -> None:
    first = compose(["rules", SOURCES], tokens=50, seed=0)
    assert compose(["rules", SOURCES], tokens=50, seed=0) == first
    assert compose(["rules", SOURCES + " now?"], tokens=50, seed=0) != first
    assert compose(["rules", SOURCES], tokens=50, seed=1) != first


def test_sentences_cite_the_sources_of_the_prompt_and_no_others() -> None:
    text = "".join(compose([SOURCES], tokens=200, seed=0))
    assert set(re.findall(r"\[(\d+)\]", text)) == {"1", "2"}


def test_a_sentence_takes_its_words_from_the_source_it_cites() -> None:
    text = "".join(compose([SOURCES], tokens=200, seed=0))
    for sentence, number in re.findall(r"([^\[]*) \[(\d)\]\.", text):
        own = {"1": {"Refunds", "take", "thirty", "days."}}.get(
            number, {"Returns", "are", "free", "for", "a", "year."}
        )
        assert set(sentence.split()) <= own


@pytest.mark.parametrize("prompt", ["Hello", "", "<source n='1'>x</source>"])
def test_a_prompt_without_sources_gets_no_citations(prompt: str) -> None:
    assert "[" not in "".join(compose([prompt], tokens=100, seed=0))


def test_numbered_lines_are_sources_too() -> None:
    text = "".join(compose(["[3] Refunds take thirty days.\nHow long?"], tokens=40, seed=0))
    assert set(re.findall(r"\[(\d+)\]", text)) == {"3"}
