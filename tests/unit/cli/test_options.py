from datetime import UTC, datetime

import pytest
import typer

from carrel.cli.options import expiry_option, filter_option, metadata_option

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def test_metadata_takes_numbers_and_booleans_as_such_and_repeats_as_lists():
    pairs = ["year=2024", "draft=true", "zip=01234", "tag=a", "tag=b", "note=x=y", "empty="]
    assert metadata_option(pairs) == {
        "year": 2024,
        "draft": True,
        "zip": "01234",
        "tag": ["a", "b"],
        "note": "x=y",
        "empty": "",
    }


@pytest.mark.parametrize("pair", ["year", "=2024", "a b=1"])
def test_metadata_that_is_none_is_refused(pair):
    with pytest.raises(typer.BadParameter):
        metadata_option([pair])


def test_a_filter_is_json_of_the_filters_grammar():
    assert filter_option('{"year": {"gte": 2020}}') == {"year": {"gte": 2020}}
    assert filter_option(None) is None


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"year": {"above": 1}}', '{"year": null}'])
def test_a_filter_that_is_none_is_refused(text):
    with pytest.raises(typer.BadParameter):
        filter_option(text)


def test_a_time_from_now_becomes_a_moment():
    assert expiry_option("30d", now=NOON) == "2026-12-01T12:00:00+00:00"
    assert expiry_option("2w", now=NOON) == "2026-11-15T12:00:00+00:00"
    assert expiry_option(None) is None


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "0d", "1.5h", "3y", "9999999999w", "²d"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(typer.BadParameter):
        expiry_option(text)
