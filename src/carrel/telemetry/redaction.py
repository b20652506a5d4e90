"""Text of users made fit for a log: without what names or admits a person, and capped.

It is for tenants who asked for their questions and answers to be logged. Patterns
find what looks like a secret; they cannot know a name or an address for one.
"""

import re

MAX_CHARACTERS = 2_000

_SECRETS = (
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("token", re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}")),  # a JWT: base64 of '{"'
    ("token", re.compile(r"\bbearer\s+[\w.~+/=-]{6,}", re.IGNORECASE)),
    # Carrel's own, and those of common providers.
    ("key", re.compile(r"\b(?:crl|sk|pk|rk|gsk|xai|hf|ghp|gho|AKIA)[-_]?[A-Za-z0-9_-]{12,}")),
    # 13 to 19 digits, in groups or not (ISO/IEC 7812).
    ("number", re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w])")),
)


def redacted(text: str) -> str:
    """*text* with what looks like a secret as `[email]`, `[key]`, …; at most `MAX_CHARACTERS`."""
    # A secret that the cap would cut in two is looked for whole.
    text = text[: 2 * MAX_CHARACTERS]
    for kind, pattern in _SECRETS:
        text = pattern.sub(f"[{kind}]", text)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
