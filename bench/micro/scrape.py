"""What a server says of itself at `/metrics`."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from tests.acceptance.server import Client

LAG_MAX = "carrel_event_loop_lag_max_seconds"
STAGES = "carrel_answer_stage_seconds"
FIRST_TOKEN = "carrel_time_to_first_token_seconds"


@dataclass(frozen=True, slots=True)
class Scrape:
    """Samples by name and labels."""

    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """The sample, or 0 where there is none yet."""
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def stages(self) -> set[str]:
        return {dict(labels)["stage"] for name, labels in self.samples if name == f"{STAGES}_count"}


async def scrape(client: Client) -> Scrape:
    status, text = await client.get("/metrics")
    assert status == 200, text
    return Scrape(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def mean_stage_ms(before: Scrape, after: Scrape) -> dict[str, float]:
    """Mean milliseconds of each stage of the answers between two scrapes."""
    means: dict[str, float] = {}
    for stage in sorted(after.stages()):
        labels = {"stage": stage, "tier": "shared"}
        if (mean := _mean_ms(before, after, STAGES, **labels)) is not None:
            means[stage] = mean
    mean = _mean_ms(before, after, FIRST_TOKEN, cache="miss", tier="shared")
    return means if mean is None else {**means, "first_token": mean}


def _mean_ms(before: Scrape, after: Scrape, histogram: str, **labels: str) -> float | None:
    count, spent = (
        after.value(f"{histogram}_{part}", **labels) - before.value(f"{histogram}_{part}", **labels)
        for part in ("count", "sum")
    )
    return spent / count * 1000 if count else None
