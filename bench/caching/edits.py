"""Are answers that were given before ever stale? Each is asked for again after a document changed.

Of public data: a question is asked, a document that its answer cites is changed, and it is asked
again; then a document that the answer was not written from is changed, and it is asked again.
Over HTTP, with the default setup.
"""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.micro.served import load, served
from bench.retrieval.datasets import load_xquad
from tests.acceptance.server import Client

SEED = 5


@dataclass
class Edits:
    """What came of *asked* questions."""

    asked: int = 0
    stale: int = 0
    cited_changed_still_given: int = 0  # rightly: what it cites was found to be the same
    unrelated_changed: int = 0
    unrelated_changed_still_given: int = 0


async def measure(data: Path, number: int) -> Edits:
    """Ask *number* questions, each three times."""
    dataset = load_xquad(data)
    with tempfile.TemporaryDirectory(prefix="carrel-bench-edits-") as folder:
        async with served(Path(folder)) as it:
            await load(it.tenant, dataset.documents.values(), prefix="d")
            texts = {f"d-{n}": text for n, text in enumerate(dataset.documents.values())}
            corpus = _Corpus(it.tenant, texts)
            chance = random.Random(SEED)
            edits = Edits()
            for question in chance.sample(dataset.questions, len(dataset.questions)):
                if edits.asked == number:
                    break
                await corpus.one(question.text, chance, edits)
    return edits


class _Corpus:
    """The documents as they are now, and questions about them."""

    def __init__(self, tenant: Client, texts: dict[str, str]) -> None:
        self._tenant = tenant
        self._texts = texts

    async def one(self, question: str, chance: random.Random, edits: Edits) -> None:
        """Ask, change what is cited, ask, change something else, ask."""
        first = await self._ask(question)
        if not first["citations"]:
            return
        edits.asked += 1
        await self._change(first["citations"][0]["document_id"], edits.asked)
        again = await self._ask(question)
        edits.stale += not self._is_current(again)
        edits.cited_changed_still_given += again["id"] == first["id"]
        used = {source["document_id"] for source in again["sources"]}
        await self._change(chance.choice([e for e in self._texts if e not in used]), edits.asked)
        last = await self._ask(question)
        edits.stale += not self._is_current(last)
        edits.unrelated_changed += 1
        edits.unrelated_changed_still_given += last["id"] == again["id"]

    async def _change(self, name: str, number: int) -> None:
        """A new first sentence, so that the passages of the document are others."""
        text = f"This was revised for the {number}th time.\n\n{self._texts[name].strip()}"
        upload = self._tenant.upload(f"{name}.md", text.encode(), wait=30, document_id=name)
        status, document = await upload
        assert (status, document["status"]) == (202, "ready"), document
        self._texts[name] = text

    async def _ask(self, question: str) -> dict[str, Any]:
        status, answer = await self._tenant.post("/v1/query", {"question": question})
        assert status == 200, answer
        return answer

    def _is_current(self, answer: dict[str, Any]) -> bool:
        """Whether all that is shown is in the documents as they are."""
        shown = [(each["document_id"], each["text"]) for each in answer["sources"]]
        shown += [(each["document_id"], each["quote"]) for each in answer["citations"]]
        return all(
            " ".join(text.split()) in " ".join(self._texts[document].split())
            for document, text in shown
        )
