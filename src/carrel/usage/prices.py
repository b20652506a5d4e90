"""What tokens cost, in integer micro-dollars.

Prices from the settings come first, then those of the `genai-prices` package. A
model without a price has no cost, which is not the same as a cost of nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

# A prompt of this length. Some models charge more for each token of a prompt of
# hundreds of thousands, which no prompt made of passages is.
_TYPICAL_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; so also micro-dollars for one token."""

    input: Decimal
    output: Decimal

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Micro-dollars, rounded up."""
        return math.ceil(prompt_tokens * self.input + completion_tokens * self.output)


NOTHING = Price(Decimal(0), Decimal(0))


class Prices:
    """Prices by model. *free* models, such as the extractive one, cost nothing."""

    def __init__(self, given: Mapping[str, Price], *, free: frozenset[str] = frozenset()) -> None:
        self._given = dict(given)
        self._free = free

    def of(self, model: str) -> Price | None:
        """The price of *model*'s tokens; None when it is unknown: see `without_a_price`."""
        if model in self._free:
            return NOTHING
        return self._given.get(model) or _published(model)

    def dearest(self, models: Sequence[str]) -> Price | None:
        """What each kind of token costs at most, whichever of *models* it is; None: see `of`."""
        prices = [self.of(model) for model in models]
        known = [price for price in prices if price is not None]
        if len(known) < len(prices):
            return None
        return Price(max(each.input for each in known), max(each.output for each in known))

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> int | None:
        """The cost in micro-dollars, rounded up; None when the model's price is unknown."""
        price = self.of(model)
        return None if price is None else price.cost(prompt_tokens, completion_tokens)


def without_a_price(model: str) -> str:
    """What to say where a price is needed and *model* has none."""
    return (
        f"the price of the model {model} is not known, so no budget can be kept: the operator "
        f'must set it, in US dollars per million tokens: CARREL_PRICES={{"{model}": '
        '{"input": …, "output": …}}'
    )


@lru_cache(maxsize=1024)
def _published(model: str) -> Price | None:
    """The price in `genai-prices`, a list that is part of the package and read off line."""
    from genai_prices import Usage, calc_price

    tokens, millions = _TYPICAL_TOKENS, Decimal(1_000_000) / _TYPICAL_TOKENS
    try:
        inputs = calc_price(Usage(input_tokens=tokens, output_tokens=0), model_ref=model)
        outputs = calc_price(Usage(input_tokens=0, output_tokens=tokens), model_ref=model)
    except LookupError:
        return None
    return Price(inputs.total_price * millions, outputs.total_price * millions)
