"""What a question asks for, read from its words: a number, a date, a name, one thing or several.

English and German; a question in another language asks for nothing in particular.
"""

import re
from collections.abc import Callable

Stems = frozenset[int]

_QUANTITY = re.compile(
    r"\bhow (?:many|much|long|old|far|often|large|big|tall|high|fast|soon|quickly)\b"
    r"|\bwhat (?:is the )?(?:percent\w*|number|amount|price|cost|rate|fee)\b"
    r"|\bwie ?(?:viele?|lange|oft|hoch|groß|alt|weit|teuer|schnell)\b",
    re.IGNORECASE,
)
# "How long", "wie viele": the words that say which measure is asked for.
_MEASURE = re.compile(
    r"\b(how|wie) ?(?:long|many|much|often|far|old|large|big|high|fast|soon|quickly"
    r"|viele?|lange|oft|weit|alt|groß|hoch|teuer|schnell)\b",
    re.IGNORECASE,
)
_MOMENT = re.compile(
    r"\b(?:when|(?:what|which) (?:year|date|day|month|century|time)"
    r"|wann|welche[ms] (?:jahr|datum))\b",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\b(?:who|whom|whose|where|wer|wem|wen|wo|woher|wohin"
    r"|(?:what|which) (?:person|player|city|country|state|place|company|school|university))\b",
    re.IGNORECASE,
)
_A_QUANTITY = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand"
    r"|million|billion|half|third|percent|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|hundert"
    r"|tausend|millionen|prozent)\b",
    re.IGNORECASE,
)
_A_MOMENT = re.compile(
    r"\b(?:1\d{3}|20\d\d)s?\b|\b\d{1,2}:\d\d\b|\bcentury\b|\bJahrhundert\b"
    r"|\b(?:Jan|Feb|Mar|Mär|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[ck]t|Nov|De[cz])[a-zä]*\b"
    r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
)
_CAPITALISED = re.compile(r"(?<=[\w,;:(] )[\"'“(]?([A-ZÀ-ÖØ-Þ]\w+)")
_SEVERAL = re.compile(
    r"\b(?:which|what are|what do|steps?|list|name (?:all|the)|all (?:the|of)|every"
    r"|welche|schritte|nenne|liste|alle)\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\s*(?:what|why|how (?:do|does|can|should|is|are)|was|warum|wie|wofür|wozu)\b", re.IGNORECASE
)
_PARTS = re.compile(r"\b(?:and|or|as well as|both|versus|vs|und|oder|sowie)\b|[,;]", re.IGNORECASE)
# Sentences that speak to whoever reads them by machine. Quoted, they would look like an answer.
_SPEAKS_TO_READER = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,60}\b(?:above|previous|prior|earlier"
    r"|instructions?|rules?|prompts?|sources?|guidelines?|context|question)\b"
    r"|\b(?:system|developer) ?(?:prompt|message|note|override|instruction)"
    r"|\b(?:ignoriere|vergiss|missachte)\b.{0,60}\b(?:anweisung|regel|oben|vorherig|bisherig)"
    r"|\byou are (?:now|no longer)\b|\bas an? (?:ai|assistant|language model)\b"
    r"|\b(?:ai|language model|llm|chatbot|assistant)s?\b.{0,40}\b(?:must|should|shall|please)\b"
    r"|\b(?:note|message|attention|instructions?) (?:to|for) (?:the |all |any )?"
    r"(?:ai|assistant|llm|model|chatbot|bot)"
    r"|\b(?:when|if|whenever) asked\b.{0,80}\b(?:say|answer|respond|reply|tell)\b"
    r"|\b(?:respond|reply|answer)\b.{0,30}\b(?:only|exactly|with the (?:word|phrase|text))\b"
    r"|<\s*/?\s*(?:system|instructions?|source|sources|user|assistant)\b|\[/?INST\]|<\|",
    re.IGNORECASE,
)

# One of these is in whatever the pattern above finds; looking for them is quick.
_MAY_SPEAK = (
    "ignor", "disregard", "forget", "overrid", "bypass", "system", "developer", "vergiss",
    "missacht", "you are", "assistant", "language model", "llm", "chatbot", " ai", "asked",
    "respond", "reply", "answer", "note", "message", "instruction", "attention", "source",
    "user", "inst]", "<|",
)  # fmt: skip


def hint(question: str, asked: Stems, terms: Callable[[str], Stems]) -> Callable[[str], bool]:
    """Whether a text holds the kind of thing that *question*, of the stems *asked*, asks for."""
    if _QUANTITY.search(question):
        return lambda text: _A_QUANTITY.search(text) is not None
    if _MOMENT.search(question):
        return lambda text: _A_MOMENT.search(text) is not None
    if _NAME.search(question):
        return lambda text: any(not terms(name) <= asked for name in _CAPITALISED.findall(text))
    return lambda text: False


def without_measure(question: str) -> str:
    """*question* without the word that names the measure it asks for: texts rarely repeat it."""
    return _MEASURE.sub(r"\1", question)


def asks_for_several(question: str) -> bool:
    """Whether the answer may well be a list, by the question's own words."""
    return _SEVERAL.search(question) is not None


def is_open(question: str) -> bool:
    """Whether a whole list could be the answer: not to a question for one number, date or name."""
    closed = any(each.search(question) for each in (_QUANTITY, _MOMENT, _NAME))
    return not closed and (_OPEN.match(question) is not None or asks_for_several(question))


def has_parts(question: str) -> bool:
    """Whether the question may ask for two things at once."""
    return _PARTS.search(question) is not None


def speaks_to_reader(text: str) -> bool:
    """Whether *text* gives orders to a program that reads it."""
    folded = text.casefold()
    if not any(word in folded for word in _MAY_SPEAK):
        return False
    return _SPEAKS_TO_READER.search(text) is not None
