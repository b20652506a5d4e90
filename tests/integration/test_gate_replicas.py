"""Four replicas, each a process, spend one budget through one Redis."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.gate_worker import charges_in

DOLLAR = 1_000_000
ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def replicas(number: int, orders: dict[str, Any]) -> Iterator[list[subprocess.Popen[str]]]:
    """Replicas that wait for the word."""
    command = [sys.executable, "-m", "tests.integration.gate_worker"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [subprocess.Popen(command, **pipes) for _ in range(number)]
    try:
        for seed, process in enumerate(processes):
            say(process, json.dumps({**orders, "seed": seed}))
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            say(process, "go")
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def say(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def counts(processes: list[subprocess.Popen[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for process in processes:
        assert process.stdout
        total.update(json.loads(process.stdout.readline()))
        assert process.wait(30) == 0
    return total


def charged(path: Path) -> list[int]:
    return [price for _, price in charges_in(path)] if path.exists() else []


def test_a_thousand_requests_at_once_of_four_replicas_spend_every_cent_and_no_more(
    redis_url: str, tmp_path: Path
):
    charges = tmp_path / "charges"
    orders = {
        "url": redis_url,
        "charges": str(charges),
        "limit": 5 * DOLLAR,
        "price": DOLLAR // 10,
        "requests": 250,
    }
    with replicas(4, orders) as processes:
        total = counts(processes)
    assert total == {"granted": 50, "exhausted": 950}
    assert sum(charged(charges)) == 5 * DOLLAR


def test_cancelled_requests_and_a_killed_replica_neither_leak_nor_overspend(
    redis_url: str, tmp_path: Path
):
    """A tenth of the requests end at a random moment, and one replica in the middle of its work."""
    charges = tmp_path / "charges"
    limit, price = 4_567_890, 9_973  # so that some cents do not fit
    orders = {
        "url": redis_url,
        "charges": str(charges),
        "limit": limit,
        "price": price,
        "target": limit // price * price,
        "lease_seconds": 1.0,
    }
    with replicas(4, orders) as processes:
        while len(charged(charges)) < 100:
            time.sleep(0.005)
        processes[0].send_signal(signal.SIGKILL)
        total = counts(processes[1:])
    # Every replica left only when the last cent that fits was charged: so nothing leaked.
    assert sum(charged(charges)) == limit // price * price
    assert total["unavailable"] == 0
