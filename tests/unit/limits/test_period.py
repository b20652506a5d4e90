from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from carrel.limits.period import period_of

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - they take none


@given(moments)
def test_a_moment_lies_in_its_periods_and_the_next_one_begins_where_one_ends(at: datetime):
    for name in ("day", "month"):
        period = period_of(name, at)
        assert period.start <= at < period.end
        assert period_of(name, period.end).start == period.end
        assert period_of(name, period.end - timedelta(microseconds=1)) == period


def test_periods_are_those_of_utc():
    at = datetime(2026, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-2)))
    assert period_of("day", at).start == datetime(2027, 1, 1, tzinfo=UTC)
    assert period_of("month", at).end == datetime(2027, 2, 1, tzinfo=UTC)
