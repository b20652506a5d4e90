"""Budget periods: days and months of the calendar, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

PeriodName = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to before `end`, both aware UTC."""

    start: datetime
    end: datetime


def period_of(name: PeriodName, at: datetime) -> Period:
    """The day or month that *at* lies in."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "day":
        return Period(day, day + timedelta(days=1))
    start = day.replace(day=1)
    return Period(start, (start + timedelta(days=32)).replace(day=1))
