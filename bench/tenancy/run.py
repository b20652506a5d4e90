"""The order of a run: make a data set, store it in each layout, search, optimise, search again.

Every step is a process of its own and hands back JSON. A step that breaks ends
the run: a hole in the table would pass for "not applicable".
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.tenancy.plan import Dataset, Layout, Plan, Store

BEFORE, AFTER = "as written", "optimised"
STATES = (BEFORE, AFTER)

Say = Callable[[str], None]


class StepFailed(Exception):
    """A process of the run did not come to its end; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured, as it goes to the JSON file."""

    cells: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    duels: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    crowds: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True)
class Bench:
    plan: Plan
    folder: Path
    say: Say
    keep: Callable[[Results], None]  # called after each data set: what is measured stays

    def run(self) -> Results:
        results = Results()
        for dataset, layouts in self.plan.grid:
            results.cells.extend(self._dataset(dataset, layouts))
            self.keep(results)
        results.duels.extend(self._duel(state) for state in STATES)
        self.keep(results)
        results.crowds.extend(self._crowds())
        self.keep(results)
        return results

    def _dataset(self, dataset: Dataset, layouts: tuple[Layout, ...]) -> list[dict[str, Any]]:
        folder = self.folder / dataset.name
        folder.mkdir(parents=True)
        self.say(f"{dataset.name}: queries, and their exact answers")
        _step("questions", dataset.name, folder, self.plan.queries)
        cells: list[dict[str, Any]] = []
        for store in dict.fromkeys(layout.stored_as for layout in layouts):
            mine = [layout for layout in layouts if layout.stored_as is store]
            cells.extend(self._store(dataset, store, mine, folder))
            if not self._fights(dataset, store):
                shutil.rmtree(folder / store.value)
        if not self._fights(dataset, Store.BY_TENANT):
            shutil.rmtree(folder)
        return cells

    def _store(
        self, dataset: Dataset, store: Store, layouts: list[Layout], folder: Path
    ) -> list[dict[str, Any]]:
        cells: list[dict[str, Any]] = []
        for state, verb in zip(STATES, ("fill", "optimise"), strict=True):
            self.say(f"{dataset.name}: {verb} {store.value}")
            built = _step("build", verb, store.value, dataset.name, folder)
            for layout in layouts:
                self.say(f"{dataset.name}: {layout.value}, {state}")
                found = _step("probe", layout.value, dataset.name, folder, self.plan.seconds)
                cells.append(
                    {**dataset.as_dict(), "layout": layout.value, "state": state}
                    | {"built": built, **found}
                )
            if state == BEFORE and self._fights(dataset, store):
                shutil.copytree(folder / store.value, folder / BEFORE / store.value)
                shutil.copy(folder / "questions.npz", folder / BEFORE)
        return cells

    def _fights(self, dataset: Dataset, store: Store) -> bool:
        return store is Store.BY_TENANT and dataset in {self.plan.few, self.plan.many}

    def _duel(self, state: str) -> dict[str, Any]:
        self.say(f"{self.plan.few.tenants} tenants against {self.plan.many.tenants}, {state}")
        sides: list[Any] = []
        for dataset in (self.plan.few, self.plan.many):
            folder = self.folder / dataset.name
            sides += [dataset.name, folder / BEFORE if state == BEFORE else folder]
        # Long enough for a p99 that is not the third-worst of a few hundred.
        seconds = self.plan.seconds * self.plan.rounds
        kinds = _step("duel", *sides, seconds, self.plan.rounds)
        few, many = self.plan.few.as_dict(), self.plan.many.as_dict()
        return {"few": few, "many": many, "state": state, "kinds": kinds}

    def _crowds(self) -> list[dict[str, Any]]:
        most = self.plan.shard_counts[-1]
        dataset = Dataset(most * 100, most)
        folder = self.folder / "crowd"
        folder.mkdir()
        crowds: list[dict[str, Any]] = []
        for state, verb in zip(STATES, ("fill", "optimise"), strict=True):
            self.say(f"{most} shards: {verb}")
            built = _step("build", verb, Store.APART.value, dataset.name, folder)
            for count in self.plan.shard_counts:
                self.say(f"{count} shards open, {state}")
                found = _step("crowd", folder, count)
                disk = built["disk_mb"] / most
                crowds.append({"state": state, "chunks_each": 100, "disk_mb": disk, **found})
        shutil.rmtree(folder)
        return crowds


def _step(module: str, *arguments: object) -> Any:
    """What `python -m bench.tenancy.MODULE` printed, parsed; None where it printed nothing."""
    command = [sys.executable, "-m", f"bench.tenancy.{module}", *map(str, arguments)]
    # Two threads, as the engine is given.
    limits = {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **limits}
    )
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-5:]) or f"status {done.returncode}"
        raise StepFailed(f"{' '.join(command[2:])}\n{last}")
    return json.loads(done.stdout, parse_float=_rounded) if done.stdout else None


def _rounded(digits: str) -> float:
    return round(float(digits), 4)
