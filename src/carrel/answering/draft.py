"""An answer while it is being written."""

from datetime import UTC, datetime

from carrel.answering.checks import AnswerChecks
from carrel.answering.citations import cite
from carrel.answering.evidence import Evidence
from carrel.answering.question import Question
from carrel.domain.answer import Answer, FinishReason, TokenUsage
from carrel.domain.document import Passage
from carrel.domain.errors import GenerationFailed
from carrel.domain.ids import AnswerId
from carrel.embedding.embedder import Embedder
from carrel.generation.generator import Asking, Finish
from carrel.usage.journal import Opened
from carrel.usage.prices import Price, Prices

NO_EVIDENCE = "I found nothing in the documents that answers this question."


class Draft:
    """Text and marks as they come, checked; what it took so far, and the answer at the end."""

    def __init__(self, answer_id: AnswerId, model: str, evidence: Evidence) -> None:
        self.id = answer_id
        self.at = datetime.now(UTC)  # in whose day and month it counts
        self.model = model
        self.retrieval = evidence.retrieval
        self.standalone = evidence.standalone
        self.sources: tuple[Passage, ...] = self.retrieval.passages
        self.pieces: list[str] = []
        self.checks = AnswerChecks(self.sources)
        self._written: list[str] = []  # by the generator, whatever is shown of it
        self.finish_reason: FinishReason = "stop"
        self.complete = False
        self.prompt_tokens = 0  # that the model charges for
        self.tokens_of_prompt = 0
        self.lost: list[str] = []  # models that gave no word, and may charge for the prompt
        self._finish: Finish | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def refuse(self) -> None:
        """Nothing relevant was found: say so, and ask no model."""
        self.pieces.append(NO_EVIDENCE)
        self.sources = ()
        self.finish_reason = "no_evidence"

    def will_ask(self, prompt_tokens: int) -> None:
        """A model is to be asked, from now on, with a prompt of so many tokens."""
        self.at = datetime.now(UTC)
        self.tokens_of_prompt = prompt_tokens

    def ask(self) -> None:
        """A model is asked: from here on it charges for the prompt, however this ends."""
        self.prompt_tokens = self.tokens_of_prompt

    def ask_another(self, asking: Asking) -> None:
        """The model that was asked failed before its first word, and another is asked."""
        if asking.charged:
            self.lost.append(self.model)
        self.model = asking.model

    def failed(self, error: GenerationFailed) -> None:
        if not error.billable and not self._written:
            self.prompt_tokens = 0

    def opened(self, question: Question, max_tokens: int, price: Price | None) -> Opened:
        """What the ledger is told before the model is asked."""
        return Opened(
            request_id=question.request_id,
            tenant_id=question.tenant_id,
            key_id=question.key_id,
            at=self.at,
            route=question.route,
            model=self.model,
            prompt_tokens=self.prompt_tokens * (1 + len(self.lost)),
            max_tokens=max_tokens,
            embedding_tokens=self.retrieval.embedding_tokens,
            price=price,
        )

    def write(self, text: str) -> str:
        """Take in what the generator wrote; returns what of it can be shown by now."""
        self._written.append(text)
        return self._show(self.checks.feed(text))

    def write_rest(self) -> str:
        """What was held back until the end."""
        return self._show(self.checks.close())

    def end(self, finish: Finish) -> None:
        self._finish = finish
        self.model = finish.model
        self.finish_reason = finish.finish_reason

    def usage(self, embedder: Embedder, prices: Prices) -> TokenUsage:
        """What it took so far, but for what its embedded tokens cost."""
        embedded = self.retrieval.embedding_tokens
        prompt, written = self._tokens(embedder)
        asked = [(self.model, prompt, written)]
        asked += ((model, self.tokens_of_prompt, 0) for model in self.lost)
        standalone = self.standalone
        asked.append(
            (
                standalone.model or self.model,
                standalone.prompt_tokens,
                standalone.completion_tokens,
            )
        )
        # Where no model was asked, no price is needed.
        costs = [prices.cost(*each) for each in asked if each[1] or each[2]]
        return TokenUsage(
            sum(each[1] for each in asked),
            sum(each[2] for each in asked),
            embedded,
            None if None in costs else sum(cost for cost in costs if cost is not None),
        )

    def finish(self, usage: TokenUsage) -> Answer:
        return Answer(
            id=self.id,
            text=self.text,
            model=self.model,
            finish_reason=self.finish_reason,
            citations=cite(self.text, self.sources),
            sources=self.sources,
            usage=usage,
        )

    def _show(self, text: str) -> str:
        self.pieces.append(text)
        return text

    def _tokens(self, embedder: Embedder) -> tuple[int, int]:
        if self.finish_reason == "no_evidence":
            return 0, 0
        if self._finish is not None:
            return self._finish.prompt_tokens, self._finish.completion_tokens
        # Cut off before the model reported.
        return self.prompt_tokens, embedder.count_tokens("".join(self._written))
