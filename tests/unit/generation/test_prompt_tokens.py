from dataclasses import replace

import pytest

from carrel.domain.answer import Message
from carrel.domain.document import Passage
from carrel.domain.ids import ChunkId, DocumentId
from carrel.embedding.static import StaticEmbedder
from carrel.generation.generator import GenerationRequest
from carrel.generation.prompt import build
from carrel.generation.prompt_tokens import PromptTokens

PASSAGE = Passage(
    chunk_id=ChunkId("c"),
    document_id=DocumentId("d"),
    version=1,
    title="Returns & refunds",
    text="Refunds take 30 days after the return. Exchanges take 60 days, at no cost.\n" * 5,
    start=0,
    end=1,
    heading="Policy › Returns",
    page=4,
    content_hash="h",
    score=1.0,
)
REQUEST = GenerationRequest(
    question="How long do refunds take?",
    passages=[replace(PASSAGE, text=f"{number}. {PASSAGE.text}") for number in range(8)],
    max_tokens=512,
    history=[
        Message("system", "Answer like a pirate."),
        Message("user", "Do you sell shoes?"),
        Message("assistant", "We do, and boots."),
    ],
)


def test_the_count_is_of_all_that_is_sent_not_of_the_passages_alone():
    count_tokens = StaticEmbedder().count_tokens
    counted = PromptTokens(count_tokens).of(REQUEST)
    sent = count_tokens("\n".join(message.content for message in build(REQUEST)))
    assert counted == pytest.approx(sent, rel=0.01)
    passages = sum(count_tokens(passage.text) for passage in REQUEST.passages)
    assert counted > passages + 200


def test_a_passage_is_counted_once_for_all_questions():
    counted: list[str] = []

    def count_tokens(text: str) -> int:
        counted.append(text)
        return len(text)

    tokens = PromptTokens(count_tokens)
    tokens.of(REQUEST)
    counted.clear()
    tokens.of(replace(REQUEST, question="And exchanges?", passages=REQUEST.passages[::-1]))
    assert not any("Refunds take" in text for text in counted)
