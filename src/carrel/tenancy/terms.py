"""Limits, quotas and budgets as the database stores them, beside a tenant and beside a key.

All are JSON: `{"requests_per_minute": 60}` and `{"micro_usd": 5000000, "period": "day", …}`.
What is not set is not there.
"""

import dataclasses
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from carrel.domain.tenant import Budget, Limits, Quotas


class Unchanged(Enum):
    """Stands for "leave as it is", where None already says "remove"."""

    UNCHANGED = auto()


UNCHANGED: Final = Unchanged.UNCHANGED


def limits_to_row(limits: Limits | Quotas) -> dict[str, int]:
    return {name: value for name, value in dataclasses.asdict(limits).items() if value is not None}


def limits_from_row(row: Mapping[str, Any]) -> Limits:
    return Limits(**row)


def quotas_from_row(row: Mapping[str, Any]) -> Quotas:
    return Quotas(**row)


def budget_to_row(budget: Budget | None) -> dict[str, Any] | None:
    return None if budget is None else dataclasses.asdict(budget)


def budget_from_row(row: Mapping[str, Any] | None) -> Budget | None:
    return None if row is None else Budget(**row)
