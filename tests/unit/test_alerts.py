"""The rules of Prometheus, against the metrics, the runbook, and promtool."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests import promql

RUNBOOK = Path(__file__).parents[2] / "docs/runbook.md"
RULES = [rule for _, rule in promql.rules()]
ALERTS = [rule for rule in RULES if "alert" in rule]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    assert promql.unknown(rule["expr"], promql.known()) == set()


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    anchors = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^##+ (.+)$", RUNBOOK.read_text(), re.MULTILINE)
    }
    for alert in ALERTS:
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert alert["annotations"]["summary"]
        url: str = alert["annotations"]["runbook_url"]
        assert url.partition("#")[2] in anchors, alert["alert"]


def test_the_runbook_knows_no_alert_that_there_is_not() -> None:
    titles = re.findall(r"^### (Carrel\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(titles) == sorted({alert["alert"] for alert in ALERTS})


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", *map(str, promql.RULES)],
        ["check", "config", str(promql.DEPLOY / "prometheus/prometheus.yml")],
        ["test", "rules", str(promql.DEPLOY / "prometheus/tests/alerts.yml")],
    ],
    ids=["rules", "config", "tests"],
)
def test_promtool_finds_nothing(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: run `sudo scripts/install_test_services`")
    run = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
