"""How the simulator answers: its settings, and what a model's name changes for one request.

Any model is served. A name that starts with `sim-` is a list of directives,
such as `sim-tokens-50-tps-0` or `sim-stall-after-5`; see `DIRECTIVES`.
"""

import re
from dataclasses import dataclass, replace

DIRECTIVES = {
    "tokens-N": "answer with N tokens",
    "ttft-N": "N milliseconds to the first token",
    "tps-N": "N tokens a second; 0: as fast as possible",
    "seed-N": "another answer to the same prompt",
    "no-usage": "no usage report, even if asked for",
    "stall-after-N": "fall silent after N tokens, with the connection open",
    "cut-after-N": "break the connection after N tokens",
    "error-after-N": "send an error object after N tokens, inside the stream",
    "error-STATUS": "answer with this HTTP status, as in error-500",
    "429": "answer HTTP 429, with Retry-After",
    "retry-after-N": "the seconds of that Retry-After",
}

_DIRECTIVE = re.compile(
    r"-(?:"
    r"(?P<number>tokens|ttft|tps|seed|stall-after|cut-after|error-after|retry-after|error)-(?P<n>\d+)"
    r"|(?P<flag>no-usage|429))"
)
_FIELDS = {
    "tokens": "tokens",
    "ttft": "ttft_ms",
    "tps": "tokens_per_second",
    "seed": "seed",
    "stall-after": "stall_after",
    "cut-after": "cut_after",
    "error-after": "error_after",
    "retry-after": "retry_after_seconds",
    "error": "status",
}


class UnknownDirective(ValueError):
    """A `sim-…` model name with a part that is no directive."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Pace, length and faults.

    `error_rate` (HTTP 500) and `stall_rate` (silence in mid-stream) are shares
    of all requests, from 0 to 1, drawn in a sequence that `seed` fixes. `places`
    are how many answers are streamed at once, the others wait in line; 0: all.
    The number of the first request holds for all.
    """

    ttft_ms: float = 200.0
    tokens_per_second: float = 50.0
    tokens: int = 200
    error_rate: float = 0.0
    stall_rate: float = 0.0
    usage: bool = True
    seed: int = 0
    api_key: str | None = None
    places: int = 0
    status: int = 200
    retry_after_seconds: int = 2
    stall_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None

    @property
    def interval_seconds(self) -> float:
        """Between one token and the next."""
        return 1 / self.tokens_per_second if self.tokens_per_second else 0.0

    def for_model(self, model: str) -> "Behaviour":
        """This behaviour with the directives in *model*.

        Raises:
            UnknownDirective: a part of a `sim-…` name is no directive.
        """
        if not model.startswith("sim-"):
            return self
        changes: dict[str, float | bool] = {}
        position = len("sim")
        while position < len(model):
            found = _DIRECTIVE.match(model, position)
            if found is None:
                known = ", ".join(DIRECTIVES)
                raise UnknownDirective(f"{model[position:]!r} is none of: {known}")
            position = found.end()
            if found["flag"] == "no-usage":
                changes["usage"] = False
            elif found["flag"]:
                changes["status"] = 429
            else:
                changes[_FIELDS[found["number"]]] = int(found["n"])
        return replace(self, **changes)
