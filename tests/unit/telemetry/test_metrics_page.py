import re
from pathlib import Path

from prometheus_client import REGISTRY, Gauge
from prometheus_client.metrics import MetricWrapperBase
from tests import promql

PAGE = Path(__file__).parents[3] / "docs/metrics.md"
BOUNDED = {
    "route",
    "method",
    "status",
    "stage",
    "tier",
    "cache",
    "step",
    "finish_reason",
    "kind",
    "rating",
    "what",
    "role",
    "outcome",
    "service",
    "purpose",
    "reason",
    "version",
    "upstream",
    "why",
}


def ours() -> list[MetricWrapperBase]:
    assert promql.registered()
    return [each for each in REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)]


def test_the_page_lists_every_metric_with_its_kind_and_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(carrel_\w+)` \| (\w+) \| (.*?) \| (.+) \|$", PAGE.read_text(), re.M)
    page = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    registry = {
        each._name + ("_total" if each._type == "counter" else ""): (
            each._type,
            {*each._labelnames},
        )
        for each in ours()
    }
    assert page == registry
    assert len(rows) == len(page)


def test_labels_are_of_a_few_kinds_none_of_which_a_caller_chooses() -> None:
    labels = {label for each in ours() for label in each._labelnames}
    assert labels <= BOUNDED, "is it bounded? Then add it here; a tenant or a key is not"


def test_every_gauge_says_what_becomes_of_it_among_several_processes() -> None:
    for each in ours():
        if isinstance(each, Gauge):
            # "all" would label it with the process.
            assert each._multiprocess_mode.startswith("live"), each._name
