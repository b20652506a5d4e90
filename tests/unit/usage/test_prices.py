from decimal import Decimal

import pytest

from carrel.usage.prices import Price, Prices, without_a_price

PRICES = Prices({"m": Price(Decimal("0.15"), Decimal("0.60"))}, free=frozenset({"extractive"}))


def test_a_cost_is_rounded_up_to_whole_micro_dollars():
    assert PRICES.cost("m", 1000, 100) == 210
    assert PRICES.cost("m", 1, 0) == 1


def test_a_model_without_a_price_has_no_cost_rather_than_none_to_pay():
    assert PRICES.cost("nobody-sells-this", 1000, 100) is None


def test_the_extractive_model_is_free():
    assert PRICES.cost("extractive", 1000, 100) == 0


def test_published_prices_are_known_and_ones_own_come_first():
    published = PRICES.cost("gpt-4o-mini", 1_000_000, 0)
    assert published == 150_000
    own = Prices({"gpt-4o-mini": Price(Decimal(1), Decimal(1))})
    assert own.cost("gpt-4o-mini", 1_000_000, 0) == 1_000_000


def test_the_published_price_is_that_of_a_prompt_of_usual_length():
    # Twice as much beyond 200,000 tokens.
    assert PRICES.of("gemini-2.5-pro") == Price(Decimal("1.25"), Decimal(10))


def test_of_tells_what_is_free_from_what_is_unknown():
    assert PRICES.of("extractive") == Price(Decimal(0), Decimal(0))
    assert PRICES.of("nobody-sells-this") is None
    assert 'CARREL_PRICES={"nobody-sells-this": ' in without_a_price("nobody-sells-this")


def test_published_prices_are_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    PRICES.of("gpt-4o-mini")
    monkeypatch.setattr("genai_prices.calc_price", None)
    assert PRICES.cost("gpt-4o-mini", 1_000_000, 0) == 150_000
