"""Which processes one server consists of, and in which order they stop."""

from collections.abc import Sequence
from pathlib import Path

from carrel.serving.balance import new_table
from carrel.serving.child import ChildSpec
from carrel.settings import Settings
from carrel.spaces import engine_folder, spaces

# What an API process needs besides the time that its requests have: to say the last words to
# slow readers, and to close what it has open.
CLOSING_SECONDS = 10.0


def metrics_folder(settings: Settings) -> Path:
    return settings.data_dir / "metrics"


def stages(
    settings: Settings, listening: int, *, workers: int, ingest: bool
) -> Sequence[Sequence[ChildSpec]]:
    """The vector engines; then what needs them, and is stopped before them.

    *listening* is the descriptor of the socket that all *workers* API processes take
    connections from.
    """
    drain = settings.drain
    table = new_table(workers)
    apis = [
        ChildSpec(
            _name("API", place, workers),
            "carrel.serving.api",
            [str(number) for number in (listening, table, place, workers)],
            [listening, table],
            measured=True,
            renewed=True,
            stop_seconds=drain.notice_seconds + drain.grace_seconds + CLOSING_SECONDS,
        )
        for place in range(workers)
    ]
    ingesting = settings.ingestion.processes if ingest else 0
    ingestion = [
        ChildSpec(_name("worker", place, ingesting), "carrel.serving.worker", measured=True)
        for place in range(ingesting)
    ]
    return [_engines(settings), [*ingestion, *apis]]


def _name(kind: str, place: int, of: int) -> str:
    return kind if of == 1 else f"{kind} {place + 1}"


def _engines(settings: Settings) -> list[ChildSpec]:
    if settings.qdrant_url is not None:
        return []
    return [
        ChildSpec(
            f"vector engine{space.suffix}",
            "carrel.vectors.edge.engine",
            [
                *("--folder", str(engine_folder(settings, space))),
                *("--dimensions", str(space.dimensions)),
            ],
        )
        for space in spaces(settings)
    ]
