"""One host's processes: vector engines, worker, APIs; each is started again when it dies.

The supervisor holds no data and serves nobody. Children notice its death by the
end of their standard input, so none is left behind, not even by kill -9. SIGTERM and
SIGINT stop everything in order, a second one in haste; SIGHUP puts new API processes in
the place of the old ones, one by one, without a gap.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from carrel.serving.child import CannotRun, Child, ChildSpec
from carrel.telemetry import joint

log = logging.getLogger(__name__)

HASTE_SECONDS = 4.0


class Supervisor:
    """Runs *stages* of children: all at once, but stopped stage by stage, the last one first.

    *metrics* is a folder for theirs, and for nothing else. *at_stop* is called before the first
    of them is told to stop.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[ChildSpec]],
        metrics: Path | None = None,
        *,
        at_stop: Callable[[], object] = lambda: None,
    ) -> None:
        self._at_stop = at_stop
        if metrics:
            try:
                joint.prepare(metrics)
            except OSError as error:  # answers go on, on a full disk, too
                log.warning("each process has metrics of its own: %s", error.strerror)
                metrics = None
        self._stages = [[Child(spec, metrics) for spec in stage] for stage in stages]
        self._told = asyncio.Event()
        self._hurried = asyncio.Event()
        self._renewal = asyncio.Event()
        self._at_terminal = _has_terminal()

    async def run(self) -> int:
        """Run all children until SIGTERM or SIGINT, then stop them; the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        children = [child for stage in self._stages for child in stage]
        keeping = [asyncio.create_task(child.keep_running()) for child in children]
        told, renewing = (asyncio.create_task(each) for each in (self._told.wait(), self._renew()))
        await asyncio.wait([told, *keeping], return_when=asyncio.FIRST_COMPLETED)
        self._told.set()
        self._at_stop()
        for stage in reversed(self._stages):
            await self._stop_stage(stage)
        for task in (told, renewing, *keeping):
            task.cancel()
        outcomes = await asyncio.gather(*keeping, return_exceptions=True)
        await asyncio.gather(told, renewing, return_exceptions=True)
        faults = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for fault in faults:
            log.critical("%s", fault, exc_info=None if isinstance(fault, CannotRun) else fault)
        return 1 if faults else 0

    def _stop(self) -> None:
        if self._told.is_set():
            self._hurried.set()
        self._told.set()

    def _hang_up(self) -> None:
        if self._at_terminal and not _has_terminal():  # it was closed: nobody sees this server
            self._told.set()
        else:
            self._renewal.set()

    async def _stop_stage(self, stage: Sequence[Child]) -> None:
        stopping = asyncio.gather(*(child.stop() for child in stage))
        hurried = asyncio.create_task(self._hurried.wait())
        await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            for child in stage:
                child.hurry()
            await asyncio.wait({stopping}, timeout=HASTE_SECONDS)
            for child in stage:
                child.kill()
        hurried.cancel()
        await stopping

    async def _renew(self) -> None:
        children = [child for stage in self._stages for child in stage if child.spec.renewed]
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            for i, child in enumerate(children, 1):
                renewed = await child.renew()
                if self._told.is_set():
                    return
                if not renewed:
                    log.error(
                        "the new %s process did not get ready; the old one goes on, and so do all "
                        "that were not renewed yet",
                        child.spec.name,
                    )
                    break
                log.warning("renewed the %s process, %d of %d", child.spec.name, i, len(children))


def _has_terminal() -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
        return True
    return False
