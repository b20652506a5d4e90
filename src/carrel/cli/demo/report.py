"""The demo's last page: what was measured, and what to paste next."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from carrel.cli.demo.steps import Ingested, Pair
from carrel.cli.exchange import Exchange
from carrel.cli.render import milliseconds, money


@dataclass(frozen=True, slots=True)
class Measured:
    """What the demo saw; `memory` is bytes (PSS) and processes, None where it can't be read."""

    server_started_ms: float
    ingested: Ingested
    exchanges: Sequence[Exchange]
    memory: tuple[int, int] | None

    def fields(self) -> dict[str, str]:
        """Each figure with its name, for people."""
        ingested = self.ingested
        first = [each.first_token_ms for each in self.exchanges if each.first_token_ms is not None]
        totals = [each.total_ms for each in self.exchanges]
        found = {
            "server ready after": milliseconds(self.server_started_ms),
            "ingested": (
                f"{ingested.documents} documents, {ingested.chunks} chunks"
                f" in {ingested.seconds:.1f} s ({ingested.chunks / ingested.seconds:.0f} chunks/s)"
            ),
        }
        if first:
            found["first token after"] = _spread(first)
        found["whole answer after"] = _spread(totals)
        found["cost"] = f"{money(self._cost())} for {len(totals)} answers"
        if self.memory:
            size, processes = self.memory
            found["memory"] = f"{size / 2**20:.0f} MiB in {processes} processes (PSS)"
        return found

    def _cost(self) -> str | None:
        costs = [each.answer.usage.cost_usd for each in self.exchanges]
        known = [Decimal(cost) for cost in costs if cost is not None]
        return f"{sum(known, Decimal(0)):f}" if len(known) == len(costs) else None


def next_steps(url: str, admin_key: str, pair: Pair, question: str) -> str:
    """Shell lines that work in another terminal: the keys, then a request of each kind."""
    keys = "\n".join(f"export {name.upper()}_KEY={tenant.secret}" for name, tenant in pair.items())
    key = f"{next(iter(pair)).upper()}_KEY"
    # uv tells its children where it is; what runs through it is not on the shell's own path.
    through = "uv run " if "UV" in os.environ else ""
    asked = question.replace("'", "’")
    return f"""\
# Keys
export CARREL_URL={url}
export CARREL_ADMIN_KEY={admin_key}
{keys}

# Ask
CARREL_API_KEY=${key} {through}carrel ask '{asked}'

curl -sw '\\n' $CARREL_URL/v1/query \\
  -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' \\
  -d '{{"question": "{asked}"}}'

# Ask, and read the answer as it is written
curl -sN $CARREL_URL/v1/query \\
  -H "Authorization: Bearer ${key}" -H 'Content-Type: application/json' \\
  -d '{{"question": "{asked}", "stream": true}}'

# Upload a document, and wait until it can be searched
curl -sw '\\n' "$CARREL_URL/v1/documents?wait=30" \\
  -H "Authorization: Bearer ${key}" -F file=@README.md

# Ask through OpenAI's own SDK (pip install openai)
{through}python - <<'EOF'
import os
from openai import OpenAI
client = OpenAI(base_url=os.environ["CARREL_URL"] + "/v1", api_key=os.environ["{key}"])
stream = client.chat.completions.create(
    model=client.models.list().data[0].id,
    messages=[{{"role": "user", "content": "{asked}"}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
EOF"""


def _spread(values: Sequence[float]) -> str:
    return f"{milliseconds(median(values))} (median), {milliseconds(max(values))} at most"
