import json
import subprocess

import pytest

from carrel.cli.client import Client
from carrel.cli.demo.report import Measured, next_steps
from carrel.cli.demo.steps import DemoTenant, Ingested
from carrel.cli.exchange import Exchange
from carrel.cli.wire import Answer, Cache, Usage

URL = "http://127.0.0.1:8080"
# Stand-ins that show how the shell understood the lines: one argument per line.
STANDINS = """
curl() { printf 'curl\\n'; printf '%s\\n' "$@"; }
carrel() { printf 'carrel %s\\n' "$CARREL_API_KEY" "$@"; }
python() { cat; }
"""


@pytest.fixture
def pair():
    return {
        name: DemoTenant(name, f"ten_{name}", f"crl_{name}", Client(URL), [])
        for name in ("acme", "globex")
    }


def test_the_next_steps_are_lines_that_a_shell_understands(pair, monkeypatch):
    monkeypatch.delenv("UV", raising=False)
    text = next_steps(URL, "admin", pair, "What's the fee?")
    ran = subprocess.run(
        ["/bin/sh", "-euc", STANDINS + text], capture_output=True, text=True, check=True
    )
    lines = ran.stdout.splitlines()
    assert lines.count("curl") == 3
    assert lines.count("Authorization: Bearer crl_acme") == 3
    assert lines[:2] == ["carrel crl_acme", "carrel ask"]
    bodies = [json.loads(line) for line in lines if line.startswith('{"question"')]
    assert [body.get("stream") for body in bodies] == [None, True]
    compile(ran.stdout[ran.stdout.index("import os") :], "snippet", "exec")
    assert max(len(line) for line in text.splitlines()) <= 100


def exchange(cost: str | None, total_ms: float) -> Exchange:
    answer = Answer("a", "text", "m", "stop", [], [], Cache(), Usage(cost_usd=cost))
    return Exchange(answer, total_ms / 2, total_ms)


def test_figures_are_summed_and_spread():
    exchanges = [exchange("0.000001", 10), exchange("0.000002", 20), exchange("0", 400)]
    figures = Measured(800, Ingested(20, 200, 4.0), exchanges, (3 * 2**20, 4)).fields()
    assert figures == {
        "server ready after": "800 ms",
        "ingested": "20 documents, 200 chunks in 4.0 s (50 chunks/s)",
        "first token after": "10 ms (median), 200 ms at most",
        "whole answer after": "20 ms (median), 400 ms at most",
        "cost": "$0.000003 for 3 answers",
        "memory": "3 MiB in 4 processes (PSS)",
    }


def test_one_unknown_cost_makes_the_sum_unknown():
    figures = Measured(1, Ingested(1, 1, 1), [exchange("1", 1), exchange(None, 1)], None).fields()
    assert figures["cost"] == "cost unknown for 2 answers"
    assert "memory" not in figures
