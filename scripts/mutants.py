"""Removes each predicate that keeps tenants apart, in turn, and demands that a test notices.

`python -m scripts.mutants [WORD …]`: all predicates, or those whose name has one of the
words. Exit status 1: a mutant survived. The edits are made in copies of the tree, never in it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.isolation.mutation import Mutation
from tests.isolation.predicates import MUTATIONS

Suite = tuple[str, ...]
ROOT = Path(__file__).parents[1]
PROCESSES = 3
OPERATIONS = 400
LONGEST_SECONDS = 300
# The quickest first: most mutants get no further.
OF_VECTORS = (
    ("tests/unit/vectors", "tests/contract/test_vector_store.py", "-k", "edge or schema"),
)
OF_ALL = (
    ("tests/isolation/test_matrix.py",),
    ("tests/isolation/test_defences.py",),
    ("tests/acceptance/test_groups.py",),
    ("tests/isolation/test_confusion.py",),
    ("tests/isolation/test_tenants_at_once.py",),
    ("tests/isolation/test_interference.py",),
    (
        *("tests/integration/test_keys.py", "tests/integration/test_key_lifecycle.py"),
        *("tests/integration/test_jobs.py", "-k", "sqlite"),
    ),
    ("tests/acceptance/test_tokens.py",),
)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


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
        skipped = shutil.ignore_patterns(".*", "__pycache__", "dist", "build", "*.egg-info")
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


def judge(trees: Trees, mutation: Mutation) -> Outcome:
    """Run the suites, quickest first, without the predicate, until a test fails."""
    with trees.one() as tree:
        path = tree / "src" / "carrel" / mutation.path
        original = path.read_text()
        started = time.monotonic()
        try:
            path.write_text(mutation.apply(original))
            killed_by = first_failure(tree, _suites(mutation))
        finally:
            path.write_text(original)
        return Outcome(mutation, killed_by, time.monotonic() - started)


def first_failure(tree: Path, suites: Iterable[Suite]) -> str | None:
    """The first test of *suites* that fails in *tree*."""
    return next((failed for suite in suites if (failed := _run(tree, suite))), None)


def check_baseline(trees: Trees, pool: ThreadPoolExecutor) -> None:
    """Raises `Broken` where a test fails without any mutation: it would kill every mutant."""

    def failure(suite: Suite) -> str | None:
        with trees.one() as tree:
            return first_failure(tree, [suite])

    if failed := next(filter(None, pool.map(failure, (*OF_VECTORS, *OF_ALL))), None):
        raise Broken(f"a test fails without any mutation: {failed}")


def _suites(mutation: Mutation) -> tuple[Suite, ...]:
    return (*OF_VECTORS, *OF_ALL) if mutation.path.startswith("vectors/") else OF_ALL


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
        return f"{suite[0]}: no end"
    if run.returncode == 0:
        return None
    failed = _FAILED.search(output)
    if run.returncode != 1 or failed is None:
        raise Broken(f"pytest ended with {run.returncode}:\n{output[-3000:]}")
    return failed[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="parts of predicates' names")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    chosen = parser.parse_args()
    mutations = [
        each
        for each in MUTATIONS
        if not chosen.words or any(word in each.predicate for word in chosen.words)
    ]
    for mutation in mutations:
        mutation.apply((ROOT / "src" / "carrel" / mutation.path).read_text())
    with tempfile.TemporaryDirectory(prefix="carrel-mutants-") as folder:
        trees = Trees(Path(folder), chosen.processes)
        with ThreadPoolExecutor(chosen.processes) as pool:
            check_baseline(trees, pool)
            outcomes = list(pool.map(lambda each: _judged(trees, each), mutations))
    survivors = [each for each in outcomes if each.killed_by is None]
    print(f"\n{len(outcomes)} predicates removed, {len(outcomes) - len(survivors)} mutants killed")
    for each in survivors:
        print(f"  SURVIVED  {each.mutation.predicate}  ({each.mutation.path})")
    return 1 if survivors else 0


def _judged(trees: Trees, mutation: Mutation) -> Outcome:
    outcome = judge(trees, mutation)
    killed_by = (outcome.killed_by or "SURVIVED").removeprefix("tests/")
    print(f"{mutation.predicate:<46} {outcome.seconds:4.0f} s  {killed_by}", flush=True)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
