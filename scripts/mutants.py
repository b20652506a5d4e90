"""Removes each predicate that keeps tenants apart, in turn, and demands that a test notices.

`python -m scripts.mutants [WORD …]`: all predicates, or those whose name has one of the
words. Exit status 1: a mutant survived. The edits are made in copies of the tree, never in it.

The test that noticed last time (`killers.json`, written by `--record`) goes first; if it is
not there any more, or does not notice, all suites that are about tenants follow.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import SimpleQueue

from tests.isolation.mutation import Mutation
from tests.isolation.predicates import MUTATIONS

Suite = tuple[str, ...]
ROOT = Path(__file__).parents[1]
KILLERS = ROOT / "tests" / "isolation" / "predicates" / "killers.json"
PROCESSES = 4
OPERATIONS = 400
LONGEST_SECONDS = 900
NO_TESTS = 5  # an exit status of pytest
# The quickest first.
OF_VECTORS = ("tests/unit/vectors", "tests/contract")
OF_ANSWERS = (
    "tests/contract/test_generations.py",
    "tests/contract/test_answer_store.py",
    "tests/unit/answering/test_kept_question.py",
    "tests/acceptance/test_resume.py",
)
OF_ALL = (
    "tests/integration/test_quotas.py",
    "tests/integration/test_recutting.py",
    "tests/integration/test_jobs.py",
    "tests/contract/test_originals.py",
    "tests/isolation/test_defences.py",
    "tests/isolation/test_semantic.py",
    "tests/isolation/test_placement.py",
    "tests/isolation/test_embedders.py",
    "tests/isolation/test_erasure.py",
    "tests/isolation/test_regrouping.py",
    "tests/isolation/test_deletion.py",
    "tests/acceptance/test_groups.py",
    "tests/isolation/test_matrix.py",
    "tests/isolation/test_confusion.py",
    "tests/isolation/test_tenants_at_once.py",
    "tests/isolation/test_interference.py",
    "tests/integration/test_keys.py",
    "tests/integration/test_key_lifecycle.py",
    "tests/acceptance/test_tokens.py",
)
NO_END = ": no end"
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


class Broken(Exception):
    """Tests could not be run, so they say nothing."""


@dataclass(frozen=True)
class Outcome:
    """The first test that noticed, or None."""

    mutation: Mutation
    killed_by: str | None
    seconds: float


class Trees:
    """Copies of the tree, each used by one mutant at a time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: SimpleQueue[Path] = SimpleQueue()
        skipped = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "node_modules")
        for number in range(count):
            tree = folder / f"tree{number}"
            shutil.copytree(ROOT, tree, ignore=skipped)
            self._free.put(tree)

    @contextmanager
    def one(self) -> Iterator[Path]:
        tree = self._free.get()
        try:
            yield tree
        finally:
            self._free.put(tree)


def judge(trees: Trees, mutation: Mutation, suites: Sequence[Suite]) -> Outcome:
    """Run the *suites* without the predicate, one after another, until a test fails."""
    with trees.one() as tree:
        path = tree / "src" / "carrel" / mutation.path
        original = path.read_text()
        started = time.monotonic()
        try:
            path.write_text(mutation.apply(original))
            killed_by = first_failure(tree, suites)
        finally:
            path.write_text(original)
        return Outcome(mutation, killed_by, time.monotonic() - started)


def first_failure(tree: Path, suites: Iterable[Suite]) -> str | None:
    """The first test of *suites* that fails in *tree*."""
    return next((failed for suite in suites if (failed := _run(tree, suite))), None)


def check(trees: Trees, pool: ThreadPoolExecutor, outcomes: Iterable[Outcome]) -> None:
    """Raises `Broken` where a test that noticed fails without any mutation, too."""
    noticed = sorted({each.killed_by.removesuffix(NO_END) for each in outcomes if each.killed_by})

    def failure(tests: Suite) -> str | None:
        with trees.one() as tree:
            return first_failure(tree, [tests])

    parts = [tuple(noticed[start::PROCESSES]) for start in range(min(PROCESSES, len(noticed)))]
    if failed := next(filter(None, pool.map(failure, parts)), None):
        raise Broken(f"a test fails without any mutation: {failed}")


def judge_all(
    trees: Trees, pool: ThreadPoolExecutor, mutations: Sequence[Mutation]
) -> list[Outcome]:
    """What became of all *mutations*: first by the tests that noticed last time."""
    known = {name: test for name, test in _killers().items() if test in _tests()}

    def by_killer(mutation: Mutation) -> Outcome:
        killer = known.get(mutation.predicate)
        return _said(judge(trees, mutation, [(killer,)] if killer else []))

    def by_all(mutation: Mutation) -> Outcome:
        return _said(judge(trees, mutation, _suites(mutation)), last=True)

    outcomes = {each.mutation: each for each in pool.map(by_killer, mutations)}
    unharmed = [each for each, outcome in outcomes.items() if outcome.killed_by is None]
    outcomes |= {each.mutation: each for each in pool.map(by_all, unharmed)}
    check(trees, pool, outcomes.values())
    return list(outcomes.values())


def _killers() -> dict[str, str]:
    return json.loads(KILLERS.read_text()) if KILLERS.exists() else {}


@cache
def _tests() -> frozenset[str]:
    """The name of every test that there is, with its parameters and without."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = listed.stdout.splitlines()
    return frozenset(names) | {name.partition("[")[0] for name in names}


def _suites(mutation: Mutation) -> list[Suite]:
    """All that may notice; what the embedded engine does is seen by tests of it, and so on."""
    if mutation.path.startswith("vectors/edge"):
        own, backends = [(*OF_VECTORS, "-k", "edge")], ["not served"]
    elif mutation.path.startswith("vectors/server"):
        own, backends = [(*OF_VECTORS, "-k", "server")], ["not embedded"]
    elif mutation.path.startswith("vectors/"):
        own, backends = [OF_VECTORS], ["not served", "served"]
    else:
        own, backends = [], ["not served", "served"]
    if mutation.path.startswith(("caching/", "placement/")):
        own = [("tests/contract/test_semantic_index.py",)]
    if mutation.path.startswith(("generations/", "answering/", "caching/")):
        own += [OF_ANSWERS]
    return own + [(path, "-k", backend) for backend in backends for path in OF_ALL]


def _run(tree: Path, suite: Suite) -> str | None:
    path = os.pathsep.join([str(tree / "src"), str(tree)])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        # A mutated file may keep its size, and come within a second of the one before.
        "PYTHONDONTWRITEBYTECODE": "1",
        "ISOLATION_OPERATIONS": str(OPERATIONS),
    }
    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    # One's own: in the usual folder, runs at the same time remove each other's.
    options += ["--basetemp", str(tree.with_suffix(".tmp"))]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *suite],
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = run.communicate(timeout=LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        return f"{suite[0]}{NO_END}"
    if run.returncode in (0, NO_TESTS):
        return None
    failed = _FAILED.search(output)
    if run.returncode != 1 or failed is None:
        raise Broken(f"pytest ended with {run.returncode}:\n{output[-3000:]}")
    return failed[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of predicates' names")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--record", action="store_true", help="note which test noticed")
    chosen = parser.parse_args()
    mutations = [
        each
        for each in MUTATIONS
        if not chosen.words or any(word in each.predicate for word in chosen.words)
    ]
    for mutation in mutations:
        mutation.apply((ROOT / "src" / "carrel" / mutation.path).read_text())
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="carrel-mutants-") as folder:
        trees = Trees(Path(folder), chosen.processes)
        with ThreadPoolExecutor(chosen.processes) as pool:
            outcomes = judge_all(trees, pool, mutations)
    survivors = [each for each in outcomes if each.killed_by is None]
    minutes = (time.monotonic() - started) / 60
    killed = len(outcomes) - len(survivors)
    print(
        f"\n{len(outcomes)} predicates removed, {killed} mutants killed, in {minutes:.1f} minutes"
    )
    for each in survivors:
        print(f"  SURVIVED  {each.mutation.predicate}  ({each.mutation.path})")
    if chosen.record:
        _record(outcomes)
    return 1 if survivors else 0


def _said(outcome: Outcome, *, last: bool = False) -> Outcome:
    if outcome.killed_by is not None or last:
        killed_by = (outcome.killed_by or "SURVIVED").removeprefix("tests/")
        print(f"{outcome.mutation.predicate:<56} {outcome.seconds:4.0f} s  {killed_by}", flush=True)
    return outcome


def _record(outcomes: Iterable[Outcome]) -> None:
    names = {mutation.predicate for mutation in MUTATIONS}
    known = {name: killer for name, killer in _killers().items() if name in names}
    for each in outcomes:
        if each.killed_by and not each.killed_by.endswith(NO_END):
            known[each.mutation.predicate] = each.killed_by
    KILLERS.write_text(json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
