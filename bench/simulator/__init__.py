"""A stand-in for an LLM upstream, for tests and load tests; never a part of the product.

It speaks OpenAI's `/v1/chat/completions` (streamed and not) and `/v1/models`,
at a set pace, and fails on request. Equal prompts get equal answers. Its own
counts are at `/stats`, to reconcile with what the program under test reports.

    async with Simulator(Behaviour(tokens=50)) as simulator:
        ... simulator.base_url, simulator.stats
"""

from bench.simulator.behaviour import Behaviour
from bench.simulator.server import Simulator
from bench.simulator.stats import Stats

__all__ = ["Behaviour", "Simulator", "Stats"]
