"""A stand-in for the model: streams whatever text a test gives it, word by word."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "small"


class Upstream:
    """An OpenAI-compatible API that says `text`; with `pause_seconds` between two words.

    With a `status` of 500 it says nothing.
    """

    def __init__(self) -> None:
        self.text = "Refunds take 30 days [1]."
        self.pause_seconds = 0.0
        self.status = 200
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a server that asks this model."""
        return {
            "CARREL_LLM__BASE_URL": f"http://127.0.0.1:{self._server.server_port}/v1",
            "CARREL_LLM__MODEL": MODEL,
            "CARREL_PRICES": json.dumps({MODEL: {"input": 1, "output": 2}}),
        }

    @contextlib.contextmanager
    def serving(self) -> Iterator["Upstream"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    upstream: Upstream

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = re.findall(r"\S+\s*", self.upstream.text)
        self.send_response(self.upstream.status)
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        self.send_header("content-type", kind)
        self.end_headers()
        usage = {"prompt_tokens": 100, "completion_tokens": len(words)}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": self.upstream.text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.wfile.write(json.dumps({"choices": [choice], "usage": usage}).encode())
            return
        for word in words:
            self._event({"choices": [{"index": 0, "delta": {"content": word}}]})
            time.sleep(self.upstream.pause_seconds)
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self._event({"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any]) -> None:
        event = {"id": "x", "object": "chat.completion.chunk", "model": MODEL, **data}
        self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *said: object) -> None:
        """Nothing: a test's output is its own."""
