"""The worker: takes jobs, carries them out, and says why one failed.

Any number of workers may run, in any number of processes. One that is told to
stop gives its jobs back; one that dies loses its leases. What may heal is tried
again, ever later; what can't is given up at once.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from carrel.domain.errors import CarrelError, InvalidRequest, StorageFull, Unavailable
from carrel.jobs.measured import Measured, Outcome
from carrel.jobs.queue import Job, JobKind, JobQueue, LeaseLost

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.1
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0


class HopelessJob(Exception):
    """The job would fail again and again; the message says why, to whoever wanted it done."""


@dataclass(frozen=True, slots=True)
class Step:
    """How jobs of one kind are carried out.

    Both end the job themselves. Without `give_up` a job is tried for ever.
    """

    run: Callable[[Job], Awaitable[None]]
    give_up: Callable[[Job, str], Awaitable[None]] | None = None


def backoff_seconds(attempts: int) -> float:
    """How long a job waits that was tried so often; never the same for two of them."""
    longest = min(BACKOFF_SECONDS * 2 ** min(attempts - 1, 20), LONGEST_BACKOFF_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret hangs on it


class Worker:
    """Runs up to *concurrency* jobs at once until it is stopped."""

    def __init__(
        self,
        queue: JobQueue,
        steps: Mapping[JobKind, Step],
        *,
        concurrency: int,
        max_attempts: int,
        lease_seconds: float,
    ) -> None:
        self._queue = queue
        self._concurrency = concurrency
        self._max_attempts = max_attempts
        self._renew_seconds = lease_seconds / 3
        self._steps = steps

    async def run(self) -> None:
        """Work until cancelled; jobs under way are then given back."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                job = None
                if len(running) < self._concurrency:
                    job = await self._claim()
                if job is not None:
                    running.add(asyncio.create_task(self._carry_out(job)))
                elif running:
                    await asyncio.wait(
                        running, timeout=IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                else:
                    await asyncio.sleep(IDLE_SECONDS)
                running = {task for task in running if not task.done()}
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _claim(self) -> Job | None:
        try:
            return await self._queue.claim()
        except CarrelError as error:
            log.warning("cannot take a job: %s", error)
            await asyncio.sleep(BACKOFF_SECONDS)
            return None

    async def _carry_out(self, job: Job) -> None:
        with Measured(job) as measured:
            try:
                async with self._kept(job):
                    await self._steps[job.kind].run(job)
                measured.outcome = "done"
            except asyncio.CancelledError:
                with contextlib.suppress(CarrelError):
                    await self._queue.release(job)
                raise
            except LeaseLost:
                measured.outcome = "lost"
                log.warning("job %s (%s) was cancelled, or is another worker's", job.id, job.kind)
                with contextlib.suppress(CarrelError):
                    await self._queue.let_fall(job)
            except HopelessJob as error:
                measured.outcome = await self._fail(job, str(error))
            except Exception as error:  # noqa: BLE001 - a worker outlives any job
                measured.outcome = await self._retry_or_fail(job, error)

    async def _retry_or_fail(self, job: Job, error: Exception) -> Outcome:
        passing = isinstance(error, Unavailable | StorageFull)
        may_fail = self._steps[job.kind].give_up is not None and not passing
        if may_fail and isinstance(error, InvalidRequest):
            return await self._fail(job, error.message)
        if may_fail and job.attempts >= self._max_attempts:
            log.error("job %s failed for good", job.id, exc_info=error)
            why = f": {error.message}" if isinstance(error, CarrelError) else ""
            return await self._fail(job, f"gave up after {job.attempts} attempts{why}")
        delay = backoff_seconds(job.attempts)
        log.warning(
            "job %s (%s) failed, again in %.1f s: %s",
            job.id,
            job.kind,
            delay,
            error if passing else type(error).__name__,
            exc_info=None if passing else error,
        )
        try:
            await self._queue.retry(job, after_seconds=delay)
        except CarrelError:
            log.warning("job %s waits for its lease to run out", job.id)
        return "again"

    async def _fail(self, job: Job, reason: str) -> Outcome:
        give_up = self._steps[job.kind].give_up
        assert give_up is not None, f"{job.kind} can't fail for good"
        try:
            await give_up(job, reason)
        except LeaseLost:
            log.warning("job %s went to another worker", job.id)
            return "lost"
        except CarrelError as error:
            return await self._retry_or_fail(job, error)
        return "dead"

    @contextlib.asynccontextmanager
    async def _kept(self, job: Job):
        """Renews the lease while the block runs, and cancels the block when the lease is lost."""
        block = asyncio.current_task()
        assert block is not None
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self._renew_seconds)
                try:
                    await self._queue.keep(job)
                except LeaseLost:
                    lost = True
                    block.cancel()
                    return
                except CarrelError as error:
                    log.warning("cannot renew job %s: %s", job.id, error)

        renewing = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if lost:
                block.uncancel()
                raise LeaseLost from None
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
