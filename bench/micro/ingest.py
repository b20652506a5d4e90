"""How fast Markdown becomes searchable, and which processes the work is in."""

from bench.measure import Figure, Run
from bench.micro import text
from bench.micro.processes import cpu_by_name, tree
from bench.micro.served import load, served

DOCUMENTS = 240  # about 5,000 chunks of 200 tokens
NOTES = 300


async def measure(run: Run) -> list[Figure]:
    """Chunks a second of long documents, and documents a second of one chunk each."""
    long, short = (23, 30) if run.quick else (DOCUMENTS, NOTES)
    async with served(run.folder) as it:
        await load(it.tenant, [text.note(0)], prefix="first")  # starts a parser
        run.say("long documents")
        before = cpu_by_name(tree(it.pid))
        chunked = await load(it.tenant, (text.document(n) for n in range(long)), prefix="long")
        after = cpu_by_name(tree(it.pid))
        run.say("documents of one chunk")
        noted = await load(it.tenant, (text.note(n) for n in range(short)), prefix="note")
    seconds = {name: after[name] - before.get(name, 0.0) for name in after}
    chunks = f"{chunked.documents} documents, {chunked.chunks:,} chunks in {chunked.seconds:.1f} s"
    return [
        Figure("chunks", chunked.chunks / chunked.seconds, "/s", chunks),
        Figure("documents of about 21 chunks", chunked.documents / chunked.seconds, "/s"),
        Figure(
            "documents of one chunk",
            noted.documents / noted.seconds,
            "/s",
            f"{noted.documents} in {noted.seconds:.1f} s",
        ),
        *(
            Figure(f"CPU time of the {name}", spent / chunked.chunks * 1000, "ms/chunk", _of(spent))
            for name, spent in sorted(seconds.items(), key=lambda item: -item[1])
        ),
    ]


def _of(seconds: float) -> str:
    return f"{seconds:.1f} s"
