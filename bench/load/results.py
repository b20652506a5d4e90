"""From the lines that users wrote to figures: of the time in which the number of users was held."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from bench.load.plan import Plan
from bench.load.sampler import Sample

Record = dict[str, Any]
ASKED = ("new", "repeated")


@dataclass(frozen=True, slots=True)
class Stage:
    """One number of users, and what came of it between *start* and *end*."""

    users: int
    start: float
    end: float
    records: Sequence[Record]
    samples: Sequence[Sample]

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def of(self, *kinds: str, cache: Iterable[str] = ()) -> list[Record]:
        """Questions of these *kinds* that were answered well, and by these caches."""
        wanted = set(cache)
        return [
            each
            for each in self.records
            if each["kind"] in kinds
            and not each["fault"]
            and not each["left"]
            and (not wanted or each.get("cache") in wanted)
        ]

    @property
    def questions(self) -> list[Record]:
        return [each for each in self.records if each["kind"] in ASKED]

    @property
    def faults(self) -> Counter[str]:
        return Counter(each["fault"] for each in self.records if each["fault"])


def read_records(folder: Path) -> list[Record]:
    """All lines of all processes, in the order of their requests."""
    found = [
        orjson.loads(line)
        for path in sorted(folder.glob("records-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    return sorted(found, key=lambda each: each["at"])


def stages(plan: Plan, began: float, records: list[Record], samples: list[Sample]) -> list[Stage]:
    """The stages of the plan, without the time in which users came."""
    found: list[Stage] = []
    each = plan.stage_seconds
    for number, users in enumerate(plan.stages):
        start = began + number * each + plan.ramp_seconds + plan.settle_seconds
        end = began + (number + 1) * each
        within = [record for record in records if start <= record["at"] < end]
        seen = [sample for sample in samples if start + 2 <= sample["at"] < end]
        found.append(Stage(users, start, end, within, seen))
    return found


def figures(plan: Plan, stage: Stage) -> dict[str, Any]:
    """All figures of a stage, by name."""
    questions = stage.questions
    caches = Counter(each.get("cache", "none") for each in questions if not each["fault"])
    whole = sum(not each["fault"] and not each["left"] for each in questions)
    misses = stage.of(*ASKED, cache=("miss",))
    hits = stage.of(*ASKED, cache=("exact", "semantic"))
    uploads = [each for each in stage.records if each["kind"] == "upload"]
    found: dict[str, Any] = {
        "users": stage.users,
        "seconds": round(stage.seconds, 1),
        "questions/s": round(len(questions) / stage.seconds, 1),
        "whole answers/s": round(whole / stage.seconds, 1),
        "uploads/s": round(len(uploads) / stage.seconds, 2),
        "left before the end": sum(each["left"] for each in questions),
        "streams open, mean": round(sum(e["total"] for e in questions) / stage.seconds),
        "tokens/s streamed": round(sum(e.get("tokens", 0) for e in misses) / stage.seconds),
        "hit rate": _share(caches["exact"] + caches["semantic"] + caches["shared"], caches),
        "caches": dict(caches),
        "cost_usd": round(sum(each.get("cost", 0.0) for each in questions), 4),
        "saved_usd": round(sum(each.get("saved", 0.0) for each in questions), 4),
        "begun again": sum(bool(each.get("begun_again")) for each in questions),
        "faults": dict(stage.faults),
        "error rate": round(sum(stage.faults.values()) / max(len(stage.records), 1), 6),
        "another tenant's words": stage.faults["ANOTHER TENANT'S WORDS"],
    }
    least = plan.ttft_ms / 1000
    written = (plan.tokens - 1) / plan.tokens_per_second if plan.tokens_per_second else 0.0
    found |= _quantiles("added to first token, miss", [each["first"] - least for each in misses])
    found |= _quantiles(
        "added to whole answer, miss", [each["total"] - least - written for each in misses]
    )
    found |= _quantiles("first token, hit", [each["first"] for each in hits])
    found |= _quantiles("upload acknowledged", [e["total"] for e in uploads if not e["fault"]])
    processes = sorted({name for sample in stage.samples for name in sample["cores"]})
    for name in processes:
        cores = [sample["cores"].get(name, 0.0) for sample in stage.samples]
        found[f"cores: {name}"] = round(float(np.mean(cores)), 2)
    for name in processes:
        memory = [sample["mebibytes"].get(name, 0.0) for sample in stage.samples]
        found[f"MiB: {name}"] = round(max(memory))
    return found


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    found = np.quantile(seconds, (0.5, 0.95, 0.99)) * 1000
    labels = ("p50", "p95", "p99")
    return {
        f"{name}, {label} ms": round(float(value), 1)
        for label, value in zip(labels, found, strict=True)
    }


def _share(hits: int, caches: Counter[str]) -> float:
    return round(hits / max(sum(caches.values()), 1), 4)
