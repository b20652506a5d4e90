"""CPU and memory of all processes, second by second, while a load test runs."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TypedDict

from bench.micro.processes import Process, tree

EVERY_SECONDS = 2.0


class Sample(TypedDict):
    """At a moment, by process name: cores that were busy since the last sample, and MiB (PSS)."""

    at: float
    cores: dict[str, float]
    mebibytes: dict[str, float]


def named(pids: Mapping[str, int]) -> dict[str, list[Process]]:
    """The processes under *pids*; those of Carrel by what each does."""
    found: dict[str, list[Process]] = {}
    for name, pid in pids.items():
        for process in tree(pid):
            called = process.name if name == "carrel" else name
            found.setdefault(called, []).append(process)
    return found


class Sampler:
    """Samples until it is stopped."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self.samples: list[Sample] = []

    async def run(self) -> None:
        before, then = self._cpu(await asyncio.to_thread(named, self._pids)), time.time()
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            with suppress(OSError):
                found = await asyncio.to_thread(named, self._pids)
                now, cpu = time.time(), self._cpu(found)
                self.samples.append(
                    Sample(
                        at=now,
                        cores={
                            name: max(0.0, spent - before.get(name, spent)) / (now - then)
                            for name, spent in cpu.items()
                        },
                        mebibytes={
                            name: sum(each.pss_bytes for each in processes) / 2**20
                            for name, processes in found.items()
                        },
                    )
                )
                before, then = cpu, now

    @staticmethod
    def _cpu(found: Mapping[str, list[Process]]) -> dict[str, float]:
        return {
            name: sum(each.cpu_seconds for each in processes) for name, processes in found.items()
        }
