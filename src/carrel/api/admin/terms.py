"""What tenants and keys have in common for administrators: limits, budgets, text.

Money is a decimal string of US dollars outside, and micro-dollars inside.
"""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from carrel.api.wire import usd
from carrel.domain.filter import is_text
from carrel.domain.tenant import Budget, BudgetPeriod, Limits, OnOutage
from carrel.tenancy.terms import UNCHANGED, Unchanged

MAX_LIMIT = 1_000_000_000
MAX_USD = 1_000_000_000


def _storable(value: str) -> str:
    if not is_text(value):
        raise ValueError("not valid text")
    return value


Text = Annotated[str, AfterValidator(_storable)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
Usd = Annotated[
    Decimal, Field(ge=0, le=MAX_USD, max_digits=16, decimal_places=6, allow_inf_nan=False)
]


class LimitsBody(BaseModel):
    """Limits; what is not named stays as it is, and null removes it."""

    model_config = ConfigDict(extra="forbid")

    requests_per_minute: Limit | None = None
    tokens_per_minute: Limit | None = None
    concurrent_requests: Limit | None = None

    def limits(self) -> Limits:
        return Limits(**self.model_dump())

    def named(self) -> dict[str, int | None]:
        return self.model_dump(exclude_unset=True)


class BudgetBody(BaseModel):
    """A budget, always whole."""

    model_config = ConfigDict(extra="forbid")

    usd: Usd
    period: BudgetPeriod
    on_outage: OnOutage = "refuse"

    def budget(self) -> Budget:
        return Budget(int(self.usd * 1_000_000), self.period, self.on_outage)


class TermsBody(BaseModel):
    """What tenants and keys have in common: their limits and their budget; null removes all."""

    model_config = ConfigDict(extra="forbid")

    limits: LimitsBody | None = None
    budget: BudgetBody | None = None

    def new_limits(self) -> Limits:
        return self.limits.limits() if self.limits else Limits()

    def new_budget(self) -> Budget | None:
        return self.budget and self.budget.budget()

    def changed_limits(self) -> dict[str, int | None] | None:
        """The limits to set, by name; None: none."""
        if self.limits is not None:
            return self.limits.named()
        return LimitsBody().model_dump() if "limits" in self.model_fields_set else None

    def changed_budget(self) -> Budget | Unchanged | None:
        if "budget" not in self.model_fields_set:
            return UNCHANGED
        return self.new_budget()


def limits_json(limits: Limits) -> dict[str, int | None]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrent_requests": limits.concurrent_requests,
    }


def budget_json(budget: Budget | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    return {
        "usd": usd(budget.micro_usd),
        "period": budget.period,
        "on_outage": budget.on_outage,
    }
