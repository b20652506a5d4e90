"""The users of a load test, for locust; `python -m bench.load` starts it.

Each asks one question, reads the answer, and asks again when its time has come, whatever the
answer took. What came of each question is a line of JSON in a file of this process.
"""

import math
import os
import random
import time
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from bench.load import corpus, plan
from bench.load.asking import Connection, Reply
from bench.load.judging import judged
from locust import LoadTestShape, User, constant_pacing, events, task

PLAN = plan.read()
_RANDOM = random.Random(f"{PLAN.seed}/{os.getpid()}")
_SERIAL = count(os.getpid() * 1_000_000)
# Popular tenants have many users; the hundredth has a fiftieth of the first's.
_WEIGHTS = [1 / (rank + 1) ** 0.85 for rank in range(len(PLAN.members))]
_POPULARITY = [1 / (rank + 1) for rank in range(PLAN.popular)]
_LINES = (Path(PLAN.folder) / f"records-{os.getpid()}.jsonl").open("ab", buffering=1 << 16)
_UPLOADERS = PLAN.uploads_per_second * PLAN.every_seconds


class Asker(User):
    """A user of one tenant, with a connection of its own."""

    wait_time = constant_pacing(PLAN.every_seconds)
    host = PLAN.url

    def on_start(self) -> None:
        [self.tenant] = _RANDOM.choices(PLAN.members, _WEIGHTS)
        self.connection = Connection(PLAN.url)
        self.watches = _RANDOM.random() < PLAN.watchers
        self.uploads = _RANDOM.random() < _UPLOADERS / max(PLAN.stages)

    @task
    def act(self) -> None:
        if self.uploads:
            self._upload()
        self._ask()

    def _ask(self) -> None:
        repeats = _RANDOM.random() < PLAN.repeats
        kind = "repeated" if repeats else "new"
        if repeats:
            [number] = _RANDOM.choices(range(PLAN.popular), _POPULARITY)
            text = corpus.question(self.tenant.number, number, documents=PLAN.documents)
        else:
            number = next(_SERIAL)
            text = corpus.new_question(self.tenant.number, number, documents=PLAN.documents)
        leaves = _RANDOM.random() < PLAN.leavers
        path, body, mark = _request(self.tenant.number, text)
        began = time.time()
        try:
            reply = self.connection.post(
                path,
                body,
                key=self.tenant.key,
                mark=mark,
                leave_after=_RANDOM.uniform(0.5, 3) if leaves else 0.0,
                watch=self.watches,
            )
        except OSError as error:
            reply = Reply()
            fault = f"no answer: {type(error).__name__}"
            found: dict[str, Any] = {"fault": fault}
        else:
            found = judged(reply, self.tenant.marker, PLAN.protocol)
        _record(self, kind, began, reply, found)

    def _upload(self) -> None:
        number = next(_SERIAL)
        text = corpus.note(self.tenant.number, number % 100_000)
        body = orjson.dumps({"text": text, "document_id": f"note-{number}"})
        began = time.time()
        try:
            reply = self.connection.post("/v1/documents", body, key=self.tenant.key)
        except OSError as error:
            reply, fault = Reply(), f"no answer: {type(error).__name__}"
        else:
            fault = "" if reply.status == 202 else f"HTTP {reply.status}"
        _record(self, "upload", began, reply, {"fault": fault})


def _request(tenant: int, text: str) -> tuple[str, bytes, bytes]:
    if PLAN.protocol == "carrel":
        body = {"question": text, "stream": True, "max_tokens": 512}
        return "/v1/query", orjson.dumps(body), b"event: delta\n"
    source = corpus.document(tenant, 0)[:6_000]
    prompt = f'<source n="1" title="a">\n{source}\n</source>\n{text}'
    messages = [{"role": "user", "content": prompt}]
    asked = {"model": "sim", "messages": messages, "stream": True}
    return "/v1/chat/completions", orjson.dumps(asked), b'"content":"'


def _record(user: User, kind: str, began: float, reply: Reply, found: dict[str, Any]) -> None:
    line = {
        "at": began,
        "kind": kind,
        "first": round(reply.first, 5),
        "total": round(reply.total, 5),
        "status": reply.status,
        "left": reply.left,
        **found,
    }
    _LINES.write(orjson.dumps(line) + b"\n")
    for name, seconds in (("first token", reply.first), ("whole", reply.total)):
        user.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=seconds * 1000,
            response_length=len(reply.body),
            exception=RuntimeError(found["fault"]) if found.get("fault") else None,
            context={},
        )


@events.quitting.add_listener
def _flush(**_: Any) -> None:
    _LINES.flush()


class Stages(LoadTestShape):
    """Each number of users is come to over the time between two questions, then held."""

    def tick(self) -> tuple[int, float] | None:
        stage = math.floor(self.get_run_time() / PLAN.stage_seconds)
        if stage >= len(PLAN.stages):
            return None
        users = PLAN.stages[stage]
        more = users - (PLAN.stages[stage - 1] if stage else 0)
        return users, max(1.0, more / PLAN.ramp_seconds)
