import pytest

from carrel.api.wire import usd


@pytest.mark.parametrize(
    ("micro_usd", "text"),
    [
        (0, "0"),
        (1, "0.000001"),
        (231, "0.000231"),
        (1_000_000, "1"),
        (10_500_000, "10.5"),
        (None, None),
    ],
)
def test_money_is_a_plain_decimal(micro_usd: int | None, text: str | None):
    assert usd(micro_usd) == text
