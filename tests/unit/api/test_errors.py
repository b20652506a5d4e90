import pytest
from starlette.requests import Request

from carrel.api.errors import STATUS, describe, error_response
from carrel.domain import errors
from carrel.domain.errors import CarrelError, GenerationFailed, IsolationViolation, Unavailable

REQUEST = Request({"type": "http", "headers": [], "state": {"request_id": "req_1"}})


def conditions(of: type[CarrelError] = CarrelError) -> list[type[CarrelError]]:
    return [of, *(each for direct in of.__subclasses__() for each in conditions(direct))]


@pytest.mark.parametrize("condition", conditions())
def test_every_condition_has_a_status(condition: type[CarrelError]):
    assert condition.code in STATUS
    if condition.__module__ == errors.__name__:
        assert condition.__name__ in (errors.__doc__ or "")


def test_what_nobody_foresaw_is_not_shown():
    body = describe(ValueError("the password is hunter2"), REQUEST)
    assert body["error"]["code"] == "internal_error"
    assert "hunter2" not in str(body)


def test_another_tenants_point_is_an_alarm_and_no_data():
    from carrel.telemetry import metrics

    before = metrics.isolation_violations._value.get()
    body = describe(IsolationViolation("point p of ten_b came back to ten_a"), REQUEST)
    assert "ten_b" not in str(body)
    assert metrics.isolation_violations._value.get() == before + 1


def test_an_outage_says_when_to_try_again():
    response = error_response(Unavailable("down", retry_after_seconds=7), REQUEST)
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    failed = GenerationFailed("busy", reason="rate_limited", retry_after_seconds=3)
    assert error_response(failed, REQUEST).headers["retry-after"] == "3"
