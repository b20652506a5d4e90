"""What an answer under load is worth: whole, its own tenant's, and what it cost."""

from typing import Any

from bench.load import corpus
from bench.load.asking import Reply, event


def judged(reply: Reply, marker: str, protocol: str) -> dict[str, Any]:
    """What is to be written down of *reply*; `fault` says what is wrong with it, "" nothing."""
    foreign = set(corpus.MARKER.findall(reply.body)) - {marker.encode()}
    if foreign:
        return {"fault": "ANOTHER TENANT'S WORDS", "foreign": len(foreign)}
    if reply.status != 200:
        return {"fault": f"HTTP {reply.status}"}
    if reply.left:
        return {"fault": ""}
    if protocol != "carrel":
        return {"fault": "" if b"[DONE]" in reply.body else "not whole", "cache": "miss"}
    done = event(reply.body, b"done")
    if done is None:
        failed = event(reply.body, b"error")
        code = failed["error"]["code"] if failed else "no end"
        return {"fault": f"in the stream: {code}"}
    fault = ""
    if not all(marker in each["text"] for each in done["sources"]):
        fault = "a source without its tenant's marker"
    if done["finish_reason"] == "no_evidence":
        fault = "refused as without evidence"
    usage = done["usage"]
    return {
        "fault": fault,
        "cache": done["cache"]["status"],
        "tokens": usage["completion_tokens"],
        "prompt_tokens": usage["prompt_tokens"],
        "cost": float(usage["cost_usd"] or 0),
        "saved": float(usage["saved_usd"] or 0),
        "begun_again": b"event: restart" in reply.body,
    }
