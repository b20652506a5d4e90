"""Which language a text is in, told by its function words.

The stop words are those of the BM25 encoders themselves: a word is one where an
encoder has no stem for it. Only question words are listed here, for those lists lack
many, and a question has few other words that tell.
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrant_edge import Bm25

# Those that the encoder has a stemmer for, with their question words.
_QUESTION_WORDS = {
    "arabic": "من ما ماذا متى أين لماذا كيف كم هل",
    "danish": "hvem hvad hvornår hvor hvorfor hvordan hvilken hvilket hvilke",
    "dutch": "wie wat wanneer waar waarom hoe welke welk hoeveel",
    "english": "who whom whose what when where why how which",
    "finnish": "kuka mikä mitä milloin missä miksi miten kuinka mitkä",
    "french": "qui que quoi quand où pourquoi comment quel quelle quels quelles combien",
    "german": "wer wen wem wessen was wann wo warum wieso weshalb wie woher wohin "
    "welche welcher welches welchen welchem viele",
    "greek": "ποιος ποια ποιο τι πότε πού γιατί πώς πόσο πόσα πόσες",
    "hungarian": "ki kik mi mit mikor hol miért hogyan melyik hány mennyi",
    "italian": "chi cosa quando dove perché come quale quali quanto quanta quanti quante",
    "norwegian": "hvem hva når hvor hvorfor hvordan hvilken hvilket hvilke",
    "portuguese": "quem que quando onde porquê como qual quais quanto quanta quantos quantas",
    "romanian": "cine ce când unde cum care cât câtă câte câți",
    "russian": "кто что когда где почему как какой какая какое какие сколько",
    "spanish": "quién quiénes qué cuándo dónde cómo cuál cuáles cuánto cuánta cuántos cuántas",
    "swedish": "vem vad när var varför hur vilken vilket vilka",
    "turkish": "kim ne nerede neden nasıl hangi kaç zaman",
}
LANGUAGES = tuple(_QUESTION_WORDS)
DEFAULT = "english"

_ASKING = {name: frozenset(words.split()) for name, words in _QUESTION_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]{2,14}")  # no list has longer ones, and a letter is no evidence
_READ_CHARACTERS = 4_000
# A word counts for less the more languages have it: 1, if it is a single one's own.
_LEAST_OF_TEXT = 1.0
_LEAST_OF_QUESTION = 0.5
_CLOSE = 1.5  # times less than the best is still likely
# So much, and twice as much as for its document's, and a passage is in a language of its own.
_LEAST_OF_PASSAGE = 3.0


def language_of(text: str) -> str:
    """The language of a document, one of `LANGUAGES`; English where its words don't tell."""
    scores = _scores(text)
    best = max(scores, key=scores.__getitem__, default=DEFAULT)
    return best if scores.get(best, 0.0) >= _LEAST_OF_TEXT else DEFAULT


def language_within(text: str, document: str) -> str:
    """The language of a passage: that of its *document*, unless it clearly is in another."""
    scores = _scores(text)
    best = max(scores, key=scores.__getitem__, default=document)
    enough = max(_LEAST_OF_PASSAGE, 2 * scores.get(document, 0.0))
    return best if scores.get(best, 0.0) >= enough else document


def likely_languages(question: str) -> tuple[str, ...]:
    """The languages that *question* may well be in, the likeliest first; all, if nothing tells."""
    scores = _scores(question)
    most = max(scores.values(), default=0.0)
    if most < _LEAST_OF_QUESTION:
        return LANGUAGES
    likely = [name for name, score in scores.items() if score * _CLOSE > most]
    return tuple(sorted(likely, key=lambda name: (-scores[name], name)))


def _scores(text: str) -> dict[str, float]:
    scores: dict[str, float] = {}
    for word in _WORD.findall(text[:_READ_CHARACTERS].lower()):
        for language, weight in _evidence(word):
            scores[language] = scores.get(language, 0.0) + weight
    return scores


@lru_cache(maxsize=65_536)
def _evidence(word: str) -> tuple[tuple[str, float], ...]:
    """The languages of which *word* is a function word, with their shares of its weight."""
    found = [
        name
        for name in LANGUAGES
        if word in _ASKING[name] or not _encoder(name).embed_query(word).indices
    ]
    return tuple((name, 1 / len(found)) for name in found)


@cache
def _encoder(language: str) -> "Bm25":
    from qdrant_edge import Bm25, Bm25Config

    return Bm25(Bm25Config(language=language))
