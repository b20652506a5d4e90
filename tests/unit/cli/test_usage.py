import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from carrel.cli import render


def day(tenant_id: str, date: str, **changes: Any) -> dict[str, Any]:
    return {
        "start": f"{date}T00:00:00Z",
        "tenant_id": tenant_id,
        "requests": 1200,
        "cache_hits": 30,
        "unfinished": 1,
        "unpriced": 0,
        "prompt_tokens": 1_100_000,
        "completion_tokens": 42_000,
        "embedding_tokens": 9,
        "cost_usd": "0.000231",
        "saved_usd": "0",
        **changes,
    }


@pytest.fixture
def used(fake):
    fake.add_tenant("globex")
    fake.usage = [
        day("ten_2", "2026-11-03"),
        day("ten_1", "2026-11-03", cost_usd="12.31"),
        day("ten_1", "2026-11-04"),
    ]
    return fake


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, color_system=None, width=80)
    monkeypatch.setattr(render, "console", lambda: console)
    return screen


def test_each_tenant_has_its_days_and_their_sum(carrel, used, terminal: io.StringIO):
    assert carrel("usage").status == 0
    lines = [" ".join(line.split()) for line in terminal.getvalue().splitlines()]
    assert lines == [
        "TENANT DAY REQUESTS CACHED TOKENS IN OUT COST SAVED",
        "acme Nov 03 1,200 30 1.10M 42.0k $12.31 $0.00",
        "Nov 04 1,200 30 1.10M 42.0k $0.000231 $0.00",
        "total 2,400 60 2.20M 84.0k $12.31 $0.00",
        "",
        "globex Nov 03 1,200 30 1.10M 42.0k $0.000231 $0.00",
        "",
        "all tenants total 3,600 90 3.30M 126k $12.31 $0.00",
    ]


def test_an_unknown_price_is_not_shown_as_nothing(carrel, used, terminal: io.StringIO):
    used.usage = [day("ten_1", "2026-11-03", cost_usd="0", unpriced=12)]
    carrel("usage")
    assert "$0.00 ?" in terminal.getvalue()
    assert "12 requests to models whose price is not known: set CARREL_PRICES" in (
        terminal.getvalue()
    )


def test_no_figure_is_cut_off_in_80_columns(carrel, used, terminal: io.StringIO):
    used.add_tenant("A company with a name that is longer than it has to be")
    used.usage += [day("ten_3", "2026-11-03", cost_usd="1043210.5", requests=1_234_567)]
    carrel("usage")
    assert "$1,043,210.50" in terminal.getvalue()
    assert "1,234,567" in terminal.getvalue()
    assert all(len(line) <= 80 for line in terminal.getvalue().splitlines())


def test_a_pipe_gets_exact_figures(carrel, used):
    header, first, *_ = carrel("usage").out.splitlines()
    assert header.split("\t")[:4] == ["DAY", "TENANT_ID", "TENANT", "REQUESTS"]
    assert first.split("\t")[:4] == ["2026-11-03", "ten_1", "acme", "1200"]
    assert "1100000" in first


def test_csv_and_json_hold_every_day(carrel, used):
    rows = list(csv.DictReader(io.StringIO(carrel("usage", "--csv").out)))
    assert [(row["tenant"], row["day"], row["cost_usd"]) for row in rows] == [
        ("acme", "2026-11-03", "12.31"),
        ("acme", "2026-11-04", "0.000231"),
        ("globex", "2026-11-03", "0.000231"),
    ]
    assert len(json.loads(carrel("usage", "--json").out)) == 3


def test_one_tenant_and_a_number_of_days(carrel, used):
    out = carrel("usage", "--tenant", "ten_2", "--days", "1", "--csv").out
    assert [line.split(",")[2] for line in out.splitlines()[1:]] == ["globex"]
    _, path, _ = used.requests[0]
    assert path.startswith("/admin/tenants/ten_2/usage?bucket=day&group_by=tenant&start=")
    assert carrel("usage", "--days", "0").status == 2


def test_nothing_used_is_said(carrel, fake):
    result = carrel("usage")
    assert (result.status, result.out) == (0, "")
    assert "last 7 days" in result.err
