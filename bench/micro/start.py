"""How long `carrel serve` takes from exec to accepting work."""

import time
from pathlib import Path
from statistics import median

from bench.measure import Figure, Run
from tests.acceptance.server import Server


async def measure(run: Run) -> list[Figure]:
    """Milliseconds to /readyz 200: with a fresh data folder, and with the same one again."""
    fresh: list[float] = []
    second: list[float] = []
    for number in range(1 if run.quick else 5):
        folder = run.folder / str(number) / "data"
        folder.mkdir(parents=True)
        for times in (fresh, second):
            run.say(f"start {len(fresh) + len(second) + 1}")
            times.append(_start_ms(folder))
    return [
        Figure("fresh data folder", median(fresh), "ms", _all(fresh)),
        Figure("second start", median(second), "ms", _all(second)),
    ]


def _start_ms(folder: Path) -> float:
    server = Server(folder)
    started = time.perf_counter()
    try:
        server.start()
        return (time.perf_counter() - started) * 1000
    finally:
        server.stop()


def _all(times: list[float]) -> str:
    return f"median of {', '.join(f'{each:,.0f}' for each in times)}"
