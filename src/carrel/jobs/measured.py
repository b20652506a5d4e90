"""What a job took and how it left its worker, as metrics and as a trace.

The trace is that of the request which wanted the job done, where that was recorded.
"""

import time
from types import TracebackType
from typing import Literal

from carrel.jobs.queue import Job
from carrel.telemetry import metrics, trace

Outcome = Literal["done", "again", "dead", "lost"]


class Measured:
    """Measures the block that carries out *job*, whose `outcome` is for the block to set."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._started = time.perf_counter()
        self._span: trace.Span | None = None
        self.outcome: Outcome = "again"

    def __enter__(self) -> "Measured":
        job = self._job
        self._span = trace.begin(f"job {job.kind}", "consumer", job.traceparent, own=True)
        if self._span:
            self._span.set(
                tenant_id=job.tenant_id,
                job_id=job.id,
                document_id=job.document_id,
                version=job.version,
                attempt=job.attempts,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        metrics.jobs_ended.labels(self._job.kind, self.outcome).inc()
        metrics.job_seconds.labels(self._job.kind).observe(time.perf_counter() - self._started)
        if self._span:
            self._span.set(outcome=self.outcome)
            if self.outcome == "dead":
                self._span.fault = "dead"
            self._span.end()
