"""GPTCache's mock data: sentences and their rewordings, reuse of which is right in every case.

It tells how much is found, and nothing about what is found wrongly, but for another pair's.
"""

import json
from pathlib import Path

from bench.caching.stand import Stand
from tests.isolation.stack import new_tenant

from carrel.caching.semantic import SemanticIndex


async def measure(stand: Stand, folder: Path, threshold: float) -> dict[str, float]:
    """Shares of all rewordings: found as its own sentence, as another's; and with guards."""
    lines = (folder / "gptcache_mock.jsonl").read_text("utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    tenant = await new_tenant(stand.api)
    index = SemanticIndex(stand.homes, {stand.embedder.identity: threshold}, slots=10_000_000)
    for entry in entries:
        await index.remember(tenant.id, entry["cached"], await stand.asked(entry["cached"]))
    own = {entry["query"]: entry["cached"] for entry in entries}
    counts = dict.fromkeys(("similar", "similar, wrong", "+ guards", "+ guards, wrong"), 0)
    for query, cached in own.items():
        asked = await stand.asked(query)
        for name, found in (
            ("similar", await index._near(tenant.id, asked, 5)),
            ("+ guards", await index.nearest(tenant.id, asked)),
        ):
            if found:
                counts[name if found[0].key == cached else f"{name}, wrong"] += 1
    return {name: count / len(own) for name, count in counts.items()}
