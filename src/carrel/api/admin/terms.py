"""What tenants and keys have in common for administrators: limits, budgets, text.

Money is a decimal string of US dollars outside, and micro-dollars inside.
"""

import dataclasses
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from carrel.api.wire import usd
from carrel.domain.filter import is_text
from carrel.domain.tenant import Budget, BudgetPeriod, Limits, OnOutage, Quotas
from carrel.tenancy.terms import UNCHANGED, Unchanged

MAX_LIMIT = 1_000_000_000
MAX_BYTES = 1 << 60
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


class TenantLimitsBody(LimitsBody):
    """Limits of a tenant: those of a key, and what it may keep here."""

    documents: Limit | None = None
    bytes: Annotated[int, Field(ge=1, le=MAX_BYTES)] | None = None
    chunks: Limit | None = None
    queued_documents: Limit | None = None
    concurrent_documents: Limit | None = None

    def limits(self) -> Limits:
        return Limits(**_of(Limits, self.model_dump()))

    def quotas(self) -> Quotas:
        return Quotas(**_of(Quotas, self.model_dump()))


class BudgetBody(BaseModel):
    """A budget, always whole."""

    model_config = ConfigDict(extra="forbid")

    usd: Usd
    period: BudgetPeriod
    on_outage: OnOutage = "refuse"

    def budget(self) -> Budget:
        return Budget(int(self.usd * 1_000_000), self.period, self.on_outage)


class BudgetTerms(BaseModel):
    """What tenants and keys have in common; null removes it."""

    model_config = ConfigDict(extra="forbid")

    budget: BudgetBody | None = None

    def new_budget(self) -> Budget | None:
        return self.budget and self.budget.budget()

    def changed_budget(self) -> Budget | Unchanged | None:
        if "budget" not in self.model_fields_set:
            return UNCHANGED
        return self.new_budget()


class TermsBody(BudgetTerms):
    """The limits and the budget of a key; null removes all of them."""

    limits: LimitsBody | None = None

    def new_limits(self) -> Limits:
        return self.limits.limits() if self.limits else Limits()

    def changed_limits(self) -> dict[str, int | None] | None:
        """The limits to set, by name; None: none."""
        if self.limits is not None:
            return self.limits.named()
        return LimitsBody().model_dump() if "limits" in self.model_fields_set else None


class TenantTermsBody(BudgetTerms):
    """The limits, quotas and budget of a tenant; null removes all of them."""

    limits: TenantLimitsBody | None = None

    def new_limits(self) -> Limits:
        return self.limits.limits() if self.limits else Limits()

    def new_quotas(self) -> Quotas:
        return self.limits.quotas() if self.limits else Quotas()

    def changed_limits(self) -> dict[str, int | None] | None:
        return self._changed(Limits)

    def changed_quotas(self) -> dict[str, int | None] | None:
        """The quotas to set, by name; None: none."""
        return self._changed(Quotas)

    def _changed(self, kind: type[Limits | Quotas]) -> dict[str, int | None] | None:
        if self.limits is not None:
            return _of(kind, self.limits.named())
        return (
            _of(kind, TenantLimitsBody().model_dump())
            if "limits" in self.model_fields_set
            else None
        )


def _of(kind: type[Limits | Quotas], named: dict[str, int | None]) -> dict[str, int | None]:
    own = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in named.items() if name in own}


def limits_json(limits: Limits) -> dict[str, int | None]:
    return {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "concurrent_requests": limits.concurrent_requests,
    }


def quotas_json(quotas: Quotas) -> dict[str, int]:
    """Those that are set."""
    return {name: value for name, value in dataclasses.asdict(quotas).items() if value is not None}


def budget_json(budget: Budget | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    return {
        "usd": usd(budget.micro_usd),
        "period": budget.period,
        "on_outage": budget.on_outage,
    }
