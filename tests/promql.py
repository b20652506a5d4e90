"""What PromQL asks for, and what of that the server has: metrics, and labels of each."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from carrel.telemetry import metrics as _metrics

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
# Put on by Prometheus, or its own.
_TARGET = {"instance", "job"}
_FOREIGN = {"up": set[str]()}
_KINDS = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def registered() -> dict[str, set[str]]:
    """Every series that a server may have, by name, with its labels."""
    assert _metrics
    found: dict[str, set[str]] = {}
    ours = [each for each in REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)]
    for collector in ours:
        kind = collector._type
        name = collector._name + ("_total" if kind == "counter" else "")
        for suffix in _KINDS[kind]:
            labels = {*collector._labelnames, *({"le"} if suffix == "_bucket" else ())}
            found[name + suffix] = labels
    return found


def rules() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each rule, with the name of its group."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield group["name"], rule


def recorded() -> set[str]:
    """What recording rules make."""
    return {rule["record"] for _, rule in rules() if "record" in rule}


def unknown(query: str, known: dict[str, set[str]]) -> set[str]:
    """What *query* asks for and nobody has: a metric, or `label of metric`."""
    text = re.sub(r"\$__rate_interval|\$__range", "5m", query)
    tree = promql.parse(text)
    selectors = [each for each in walk(tree) if isinstance(each, promql.VectorSelector)]
    assert selectors, f"{query} asks for nothing"
    missing: set[str] = set()
    have: set[str] = {*_TARGET}
    for selector in selectors:
        name = selector.name
        if name not in known:
            missing.add(name)
            continue
        labels = known[name] | _TARGET
        have |= labels
        asked = {matcher.name for matcher in selector.matchers.matchers}
        missing |= {f"{label} of {name}" for label in asked - labels}
    if not missing:
        missing |= {f"{label} of anything" for label in _grouped(tree) - have}
    return missing


def known() -> dict[str, set[str]]:
    return registered() | _FOREIGN | {name: set[str]() for name in recorded()}


def walk(tree: Any) -> Iterator[Any]:
    yield tree
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(tree, name, None)
        if child is not None:
            yield from walk(child)
    for child in getattr(tree, "args", None) or ():
        yield from walk(child)


def _grouped(tree: Any) -> set[str]:
    found: set[str] = set()
    for each in walk(tree):
        if isinstance(each, promql.AggregateExpr) and each.modifier:
            found |= {*each.modifier.labels}
    return found
