"""How long an answer may become for what is left of the budgets.

Money is reserved before a model is asked, for the prompt and for as many tokens as
the caller wants, at the prices of the dearest that may answer. Where less is left, the
answer is shorter, down to `LEAST_TOKENS`.
"""

import math
from collections.abc import Sequence
from decimal import Decimal

from carrel.domain.errors import Unavailable
from carrel.limits.ticket import Ticket
from carrel.usage.prices import NOTHING, Prices, without_a_price

# An answer of fewer tokens is hardly one.
LEAST_TOKENS = 16
# Providers count with tokenizers of their own; ours came out up to a sixth lower.
PROMPT_MARGIN = Decimal("1.2")
OPERATOR_SECONDS = 60


async def affordable_tokens(
    ticket: Ticket, prices: Prices, models: Sequence[str], *, prompt_tokens: int, max_tokens: int
) -> int:
    """Reserve what the answer may cost; how many tokens it may have, at most *max_tokens*.

    Any of *models* may write it; *prompt_tokens* are those of all prompts that may be charged.

    Raises:
        BudgetExhausted: not even `LEAST_TOKENS` can be paid for.
        Unavailable: the price, or what was spent, is not known: it fails closed.
    """
    if not ticket.has_budget:
        return max_tokens
    price = prices.dearest(models)
    if price is None:
        unknown = next(model for model in models if prices.of(model) is None)
        raise Unavailable(without_a_price(unknown), retry_after_seconds=OPERATOR_SECONDS)
    if price == NOTHING:
        return max_tokens
    prompt = math.ceil(prompt_tokens * PROMPT_MARGIN)
    held = await ticket.reserve(
        price.cost(prompt, max_tokens), price.cost(prompt, min(LEAST_TOKENS, max_tokens))
    )
    if not price.output:
        return max_tokens
    return min(max_tokens, int((held - prompt * price.input) / price.output))
