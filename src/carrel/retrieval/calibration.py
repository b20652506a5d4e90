"""How much evidence is enough to answer, by embedder and language.

Cosines belong to an embedder: where none were measured, they are left out and
only questions that share next to nothing with their passages are refused.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well the best passages match a question.

    `cosine` is the nearest passage's. The other measures are the best of any one passage:
    `coverage` is the share of what the question says (its words weighed by `importance`)
    that the passage says too, `held` the same as a sum, `named` the share of its names and
    numbers alone. `words` counts the question's words that carry meaning.
    """

    cosine: float
    coverage: float
    named: float
    held: float
    words: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic regression's weights; relevant from a log-odds of `least` on."""

    cosine: float
    coverage: float
    named: float
    held: float
    words: float
    least: float

    def accepts(self, evidence: Evidence) -> bool:
        """Whether *evidence* is enough."""
        return self.log_odds(evidence) >= self.least

    def log_odds(self, evidence: Evidence) -> float:
        """The weighted sum of *evidence*, without the constant that `least` stands for."""
        cosine, coverage, named, held, words = features(evidence)
        return (
            self.cosine * cosine
            + self.coverage * coverage
            + self.named * named
            + self.held * held
            + self.words * words
        )


def features(evidence: Evidence) -> tuple[float, float, float, float, float]:
    """*evidence* as the regression takes it, in the order of `Calibration`'s weights."""
    return (
        evidence.cosine,
        evidence.coverage,
        evidence.named,
        math.log1p(evidence.held / 10),
        math.log1p(evidence.words),
    )


# By the embedder's model, as its name begins, then by the language of the question. Fitted by
# `python -m bench.retrieval.calibrate`; docs/quality.md has what each refuses.
_MEASURED: dict[str, dict[str, Calibration]] = {
    "wordllama-l2-supercat": {
        "english": Calibration(
            cosine=6.4, coverage=7.4, named=1.0, held=2.9, words=-0.1, least=10.79
        ),
        "german": Calibration(
            cosine=2.8, coverage=4.4, named=2.7, held=4.3, words=-2.9, least=5.57
        ),
    },
    "all-minilm-l6-v2": {
        "english": Calibration(
            cosine=11.8, coverage=6.1, named=0.9, held=2.5, words=-0.2, least=12.11
        ),
        "german": Calibration(
            cosine=8.8, coverage=3.1, named=2.7, held=4.3, words=-2.9, least=7.57
        ),
    },
}
_OTHER_LANGUAGES = "german"  # of those measured, the one that refuses least
_UNMEASURED = Calibration(cosine=0.0, coverage=5.9, named=1.6, held=4.5, words=-1.7, least=5.2)


def calibration_for(identity: str, language: str = "english") -> Calibration:
    """The weights for the embedder named *identity* and questions in *language*.

    Cosines belong to a model, wherever it runs. One never measured has the lenient default.
    """
    model = identity.split(":")[1].rpartition("/")[2].casefold() if ":" in identity else ""
    for name, rows in _MEASURED.items():
        if model.startswith(name):
            return rows.get(language) or rows.get(_OTHER_LANGUAGES) or _UNMEASURED
    return _UNMEASURED
