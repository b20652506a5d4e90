"""Few tenants against many of the same size, searched in turn by one process; figures as JSON.

`python -m bench.tenancy.duel FEW FEW_FOLDER MANY MANY_FOLDER SECONDS ROUNDS`.

Whatever slows the machine down slows both, so the ratio of their times tells
more than either. The few are also opened a second time, from a copy, and
searched in the same turns: how far *their* ratio is from 1 is the noise.

Each question is asked many times. `fastest` is of each question's fastest time:
what its search itself takes, with what other processes took away left out.
"""

import gc
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench.tenancy import stores
from bench.tenancy.plan import Dataset, Layout, Store
from bench.tenancy.questions import Questions
from bench.tenancy.searches import KINDS, Search, quantiles

One = Callable[[int], object]


def main() -> None:
    few, few_folder = Dataset.parse(sys.argv[1]), Path(sys.argv[2])
    many, many_folder = Dataset.parse(sys.argv[3]), Path(sys.argv[4])
    seconds, rounds = float(sys.argv[5]), int(sys.argv[6])
    again = few_folder / "again"
    shutil.rmtree(again, ignore_errors=True)
    shutil.copytree(few_folder / Store.BY_TENANT.value, again / Store.BY_TENANT.value)
    shutil.copy(few_folder / "questions.npz", again)
    sides = [_Side(few_folder, few), _Side(many_folder, many), _Side(again, few)]
    print(
        json.dumps(
            {name: _kind(search, sides, seconds / rounds, rounds) for name, search in KINDS.items()}
        )
    )
    for side in sides:
        side.shard.close()


class _Side:
    def __init__(self, folder: Path, dataset: Dataset) -> None:
        path = stores.paths(Store.BY_TENANT, folder, dataset.tenants)[0]
        self.shard = stores.load(Store.BY_TENANT, path)
        questions = Questions.load(folder)
        self._asked = list(
            zip(
                questions.tenant.tolist(),
                questions.dense.tolist(),
                questions.words.tolist(),
                strict=True,
            )
        )

    def search(self, search: Search, number: int) -> object:
        tenant, dense, words = self._asked[number % len(self._asked)]
        return search(self.shard, dense, words, stores.scope(Layout.IS_TENANT, tenant))


def _kind(search: Search, sides: list[_Side], seconds: float, rounds: int) -> dict[str, Any]:
    """Quantiles of all rounds together, and of each round the ratios many/few and few/few."""
    _turns(search, sides, seconds / 2)
    per_round = [_turns(search, sides, seconds) for _ in range(rounds)]
    few, many, again = (
        quantiles([time for one in per_round for time in one[side]]) for side in range(3)
    )
    fastest = [quantiles(_fastest([one[side] for one in per_round])) for side in range(3)]
    return {
        "few": few,
        "many": many,
        "fastest": {
            "few": fastest[0],
            "many": fastest[1],
            "p50": fastest[1]["p50_ms"] / fastest[0]["p50_ms"],
            "p99": fastest[1]["p99_ms"] / fastest[0]["p99_ms"],
            "noise_p99": fastest[2]["p99_ms"] / fastest[0]["p99_ms"],
        },
        "ratio": {
            quantile: {
                "all": many[f"{quantile}_ms"] / few[f"{quantile}_ms"],
                "rounds": _ratios(per_round, 1, percent),
                "noise": again[f"{quantile}_ms"] / few[f"{quantile}_ms"],
                "noise_rounds": _ratios(per_round, 2, percent),
            }
            for quantile, percent in (("p50", 50), ("p99", 99))
        },
    }


def _fastest(rounds: list[list[float]]) -> list[float]:
    """The fastest time of each question that every round asked; each starts with the first."""
    asked = min(len(times) for times in rounds)
    return np.min([times[:asked] for times in rounds], axis=0).tolist()


def _ratios(per_round: list[list[list[float]]], side: int, percent: int) -> list[float]:
    return [
        float(np.percentile(one[side], percent) / np.percentile(one[0], percent))
        for one in per_round
    ]


def _turns(search: Search, sides: list[_Side], seconds: float) -> list[list[float]]:
    """Milliseconds of each search, by side; who goes first is drawn anew in each turn."""
    random = np.random.default_rng(0)
    times: list[list[float]] = [[] for _ in sides]
    gc.collect()
    gc.disable()
    ends = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < ends:
        for which in random.permutation(len(sides)).tolist():
            started = time.perf_counter()
            sides[which].search(search, number)
            times[which].append((time.perf_counter() - started) * 1000)
        number += 1
    gc.enable()
    return times


if __name__ == "__main__":
    main()
