"""Prometheus metrics: names, labels and buckets in one place. Labels are bounded.

No label holds a tenant, a key or anything that a caller sends: `tier` is the tenant's isolation
tier, of which there are three. Every gauge says what becomes of it where several processes of
a server are scraped as one. docs/metrics.md lists them all.
"""

from functools import lru_cache

from prometheus_client import (
    GC_COLLECTOR,
    PROCESS_COLLECTOR,
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from carrel import __version__
from carrel.telemetry import joint

joint.join()

# They read /proc in the event loop; a node exporter tells the same of every process.
REGISTRY.unregister(PROCESS_COLLECTOR)
REGISTRY.unregister(GC_COLLECTOR)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

requests = Counter(
    "carrel_http_requests_total",
    "Requests by route, method and status.",
    ("route", "method", "status"),
)
request_seconds = Histogram(
    "carrel_http_request_seconds",
    "Time to the end of a response.",
    ("route",),
    buckets=SECONDS,
)
stage_seconds = Histogram(
    "carrel_answer_stage_seconds",
    "Time of an answer's stages, by the tenant's isolation tier.",
    ("stage", "tier"),
    buckets=SECONDS,
)
time_to_first_token_seconds = Histogram(
    "carrel_time_to_first_token_seconds",
    "Time from the start of a question's work to the first text of its answer; by cache (exact, "
    "semantic, shared, miss) and the tenant's isolation tier.",
    ("cache", "tier"),
    buckets=SECONDS,
)
retrieval_seconds = Histogram(
    "carrel_retrieval_seconds",
    "Time of a search's steps: embed, search (the vector store), visible (what is live).",
    ("step",),
    buckets=SECONDS,
)
answers = Counter(
    "carrel_answers_total",
    "Answers by finish reason and the tenant's isolation tier; unfinished: failed, or left by "
    "its reader.",
    ("finish_reason", "tier"),
)
answer_tokens = Counter(
    "carrel_answer_tokens_total",
    "Tokens of the models that wrote answers: prompt, completion.",
    ("kind",),
)
spent = Counter(
    "carrel_spent_micro_usd_total",
    "What answers cost, embedding included, by the tenant's isolation tier.",
    ("tier",),
)
feedback = Counter(
    "carrel_answer_feedback_total", "What readers said of answers: positive, negative.", ("rating",)
)
checked_out = Counter(
    "carrel_answer_checked_out_total",
    "What was taken out of answers: links that no cited source holds, and marks of sources that "
    "do not support them. A rise says that documents, or the model, are up to something.",
    ("what",),
)
streams_in_flight = Gauge(
    "carrel_streams_in_flight", "Answers being streamed now.", multiprocess_mode="livesum"
)
isolation_violations = Counter(
    "carrel_isolation_violations_total",
    "Points of another tenant that a vector store returned. Anything but 0 is an alarm.",
)
generation_readers = Counter(
    "carrel_generation_readers_total",
    "Readers of generations by how they began: leader, or follower of one that was there.",
    ("role",),
)
generation_takeovers = Counter(
    "carrel_generation_takeovers_total",
    "Generations begun again here, because whoever led was dead or could not be reached.",
)
generations_cancelled = Counter(
    "carrel_generations_cancelled_total", "Generations cut here because nobody read them any more."
)
answers_under_way = Gauge(
    "carrel_answers_under_way",
    "Answers being made now: searched for, or written.",
    multiprocess_mode="livesum",
)
answer_limit = Gauge(
    "carrel_answer_limit",
    "How many answers may be made at once; falls when first tokens are late.",
    multiprocess_mode="livesum",
)
overload_refusals = Counter(
    "carrel_overload_refusals_total",
    "Questions refused because there was no place: full, or share (the tenant had its own).",
    ("why",),
)
upstream_attempts = Counter(
    "carrel_upstream_attempts_total",
    "Requests to an upstream by how they ended: ok, left (by the reader), or a reason.",
    ("upstream", "outcome"),
)
upstream_passed_over = Counter(
    "carrel_upstream_passed_over_total",
    "Requests that went past an upstream: waiting (it asked for that), open (its breaker), full.",
    ("upstream", "why"),
)
upstream_retries = Counter(
    "carrel_upstream_retries_total",
    "Requests sent to another upstream after a failure: made, or refused (the budget was spent).",
    ("outcome",),
)
upstream_open = Gauge(
    "carrel_upstream_open",
    "1: the upstream's breaker is open, it is probed alone.",
    ("upstream",),
    multiprocess_mode="livemax",
)
upstream_in_flight = Gauge(
    "carrel_upstream_in_flight",
    "Requests that the upstream is answering now.",
    ("upstream",),
    multiprocess_mode="livesum",
)
upstream_first_token_seconds = Histogram(
    "carrel_upstream_first_token_seconds",
    "From asking an upstream to its first token.",
    ("upstream",),
    buckets=SECONDS,
)
redis_up = Gauge(
    "carrel_redis_up",
    "1: Redis answers. 0: it does not, or none is used.",
    multiprocess_mode="livemin",
)
redis_failures = Counter(
    "carrel_redis_failures_total", "Calls to Redis that failed, or took longer than they may."
)
limit_refusals = Counter(
    "carrel_limit_refusals_total",
    "Requests refused; kind: requests, tokens, concurrent or budget.",
    ("kind",),
)
local_admissions = Counter(
    "carrel_local_admissions_total",
    "Requests admitted at this replica's share of the limits, because Redis was down.",
)
budget_reservations = Counter(
    "carrel_budget_reservations_total",
    "Reservations of money on budgets: whole, shortened (less was left than wanted), refused, "
    "unknown (what was spent could not be known).",
    ("outcome",),
)
breakers_open = Gauge(
    "carrel_breakers_open",
    "Servers that are not asked now, because they did not answer: embedder, reranker, qdrant.",
    ("service",),
    multiprocess_mode="livesum",
)
usage_pending = Gauge(
    "carrel_usage_pending_events",
    "Usage events that are not in SQL yet.",
    multiprocess_mode="livesum",
)
usage_recovered = Counter(
    "carrel_usage_recovered_events_total",
    "Usage events read from the journals of processes that were killed, or that SQL kept waiting.",
)
usage_journal_errors = Counter(
    "carrel_usage_journal_errors_total", "Usage records that the local disk did not take."
)
usage_lost = Counter(
    "carrel_usage_lost_events_total",
    "Usage events that neither SQL nor the disk took. Anything but 0 is an alarm.",
)

embedding_tokens = Counter(
    "carrel_embedding_tokens_total",
    "Tokens that an embedding service was sent; by purpose: query, documents.",
    ("purpose",),
)
query_vectors = Counter(
    "carrel_query_vectors_total",
    "Questions whose vector was remembered (hit), or had to be made (miss).",
    ("outcome",),
)
cache_lookups = Counter(
    "carrel_cache_lookups_total",
    "Questions looked up; by kind (exact, semantic, shared, retrieval) and outcome: hit, miss; "
    "fresh: the corpus had changed, the evidence had not; stale: both had.",
    ("kind", "outcome"),
)
cache_saved = Counter(
    "carrel_cache_saved_micro_usd_total",
    "What answers would have cost that were served without a model; by kind.",
    ("kind",),
)
cache_age_seconds = Histogram(
    "carrel_cache_age_seconds",
    "How old the answers were that were served again.",
    ("kind",),
    buckets=(1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800),
)
cache_bytes = Gauge(
    "carrel_cache_bytes",
    "Memory that a cache of this process holds; by what is in it.",
    ("what",),
    multiprocess_mode="livesum",
)
semantic_candidates = Counter(
    "carrel_semantic_candidates_total",
    "Similar cached questions, by what the guards said: agrees, or a word for the difference.",
    ("outcome",),
)
rerank_seconds = Histogram(
    "carrel_rerank_seconds", "Time a reranker took for a question.", buckets=SECONDS
)
rerank_fallbacks = Counter(
    "carrel_rerank_fallbacks_total",
    "Questions answered in the fused order because the reranker did not do its part; "
    "by reason: timeout, unavailable, busy, bad_answer.",
    ("reason",),
)

jobs_waiting = Gauge(
    "carrel_jobs_waiting",
    "Jobs that nobody is carrying out, of all servers; by kind.",
    ("kind",),
    multiprocess_mode="livemostrecent",
)
jobs_late_seconds = Gauge(
    "carrel_jobs_late_seconds",
    "For how long the job has been due that waits longest, of all servers; by kind.",
    ("kind",),
    multiprocess_mode="livemostrecent",
)
jobs_dead = Gauge(
    "carrel_jobs_dead",
    "Jobs that were given up and are still to be looked at, of all servers.",
    multiprocess_mode="livemostrecent",
)
jobs_ended = Counter(
    "carrel_jobs_total",
    "Jobs of this worker by kind and how it left them: done, again (to be tried later), dead "
    "(given up), lost (cancelled, or another worker's by now).",
    ("kind", "outcome"),
)
job_seconds = Histogram(
    "carrel_job_seconds",
    "Time this worker took for a job, however it ended.",
    ("kind",),
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800),
)
ingestion_seconds = Histogram(
    "carrel_ingestion_seconds",
    "Time of a document's steps: parse, chunk (a part of it), embed, stage, publish, swap.",
    ("step",),
    buckets=SECONDS,
)

trace_spans = Counter(
    "carrel_trace_spans_total",
    "Spans of traces that the collector took (sent), or that were given up (lost).",
    ("outcome",),
)
build = Gauge("carrel_build_info", "1, by version.", ("version",), multiprocess_mode="livemax")
build.labels(__version__).set(1)

loop_lag_seconds = Histogram(
    "carrel_event_loop_lag_seconds",
    "By how much a sleep of 10 ms overran.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1),
)
loop_lag_max_seconds = Gauge(
    "carrel_event_loop_lag_max_seconds",
    "The largest overrun of the last 15 to 30 seconds.",
    multiprocess_mode="livemax",
)


# To find a labelled metric takes the library longer than to count in it.
for _each in (
    requests,
    request_seconds,
    stage_seconds,
    time_to_first_token_seconds,
    answers,
    cache_lookups,
    cache_saved,
    cache_age_seconds,
):
    setattr(_each, "labels", lru_cache(maxsize=1024)(_each.labels))  # noqa: B010 - typed


def exposition() -> bytes:
    """All metrics of this server's processes in Prometheus' text format; it reads files."""
    return generate_latest(joint.registry())
