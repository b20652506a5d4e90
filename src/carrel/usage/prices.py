"""What tokens cost, in integer micro-dollars.

Prices from the settings come first, then those of the `genai-prices` package. A
model without a price has no cost, which is not the same as a cost of nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; so also micro-dollars for one token."""

    input: Decimal
    output: Decimal


class Prices:
    """Prices by model. *free* models, such as the extractive one, cost nothing."""

    def __init__(self, given: Mapping[str, Price], *, free: frozenset[str] = frozenset()) -> None:
        self._given = dict(given)
        self._free = free

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> int | None:
        """The cost in micro-dollars, rounded up; None when the model's price is unknown."""
        if model in self._free:
            return 0
        price = self._given.get(model) or _published(model)
        if price is None:
            return None
        return math.ceil(prompt_tokens * price.input + completion_tokens * price.output)


@lru_cache(maxsize=1024)
def _published(model: str) -> Price | None:
    """The price in `genai-prices`, a list that is part of the package and read off line."""
    from genai_prices import Usage, calc_price

    million = 1_000_000
    try:
        inputs = calc_price(Usage(input_tokens=million, output_tokens=0), model_ref=model)
        outputs = calc_price(Usage(input_tokens=0, output_tokens=million), model_ref=model)
    except LookupError:
        return None
    return Price(inputs.total_price, outputs.total_price)
