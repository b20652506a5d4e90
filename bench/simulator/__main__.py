"""`python -m bench.simulator`: the stand-in LLM upstream as a process, for tests and load."""

import argparse
import asyncio
import signal

from bench.simulator.behaviour import DIRECTIVES, Behaviour
from bench.simulator.server import Simulator


def main() -> None:
    options = _parser().parse_args()
    behaviour = Behaviour(
        ttft_ms=options.ttft_ms,
        tokens_per_second=options.tokens_per_second,
        tokens=options.tokens,
        error_rate=options.error_rate,
        stall_rate=options.stall_rate,
        usage=not options.no_usage,
        seed=options.seed,
        places=options.places,
        api_key=options.api_key,
    )
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(behaviour, options.host, options.port))
    else:
        uvloop.run(_serve(behaviour, options.host, options.port))


async def _serve(behaviour: Behaviour, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Simulator(behaviour, host=host, port=port) as simulator:
        print(f"LLM simulator (for tests and load only) at {simulator.base_url}", flush=True)
        await stop.wait()
        print(simulator.stats.as_dict(), flush=True)


def _parser() -> argparse.ArgumentParser:
    directives = "\n".join(f"  {name:<16}{what}" for name, what in DIRECTIVES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.simulator",
        description="A simulator of an OpenAI-compatible LLM upstream, for tests and load tests.\n"
        "Its answers mean nothing: never put it behind a product.",
        epilog="A model name starting with sim- changes one request, as sim-tokens-50-tps-0:\n"
        f"{directives}\n\nGET /stats gives its own counts; POST /stats/reset clears them.\n"
        'POST /behaviour changes how it answers from then on: {"tokens": 50, "ttft_ms": 5}.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    plain = Behaviour()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free port")
    parser.add_argument("--ttft-ms", type=float, default=plain.ttft_ms, help="default: %(default)s")
    parser.add_argument(
        "--tokens-per-second",
        type=float,
        default=plain.tokens_per_second,
        help="0: as fast as possible; default: %(default)s",
    )
    parser.add_argument("--tokens", type=int, default=plain.tokens, help="default: %(default)s")
    parser.add_argument("--places", type=int, default=0, help="answers at once; 0: any number")
    parser.add_argument("--error-rate", type=float, default=0.0, help="share answered HTTP 500")
    parser.add_argument("--stall-rate", type=float, default=0.0, help="share that falls silent")
    parser.add_argument("--no-usage", action="store_true", help="never report usage")
    parser.add_argument("--seed", type=int, default=0, help="of answers and of faults")
    parser.add_argument("--api-key", help="refuse requests without this bearer key")
    return parser


if __name__ == "__main__":
    main()
