"""Predicates on answers under way, and on what is read of them again by an answer's id."""

from tests.isolation.mutation import Mutation

_MEMORY = "generations/memory.py"
_REDIS = "generations/redis.py"
_RESUMING = "answering/resuming.py"

GENERATIONS = (
    Mutation(
        "generations in memory: joined by tenant",
        _MEMORY,
        "async def join(",
        "self._by_key.get((tenant_id, key))",
        "next((each for name, each in self._by_key.items() if name[1] == key), None)",
    ),
    Mutation(
        "generations in memory: followed by tenant",
        _MEMORY,
        "async def follow(",
        "self._by_id.get((tenant_id, generation_id))",
        "next((e for name, e in self._by_id.items() if name[1] == generation_id), None)",
    ),
    Mutation(
        "generations in memory: the question of the tenant's own",
        _MEMORY,
        "async def about(",
        "self._by_id.get((tenant_id, generation_id))",
        "next((e for name, e in self._by_id.items() if name[1] == generation_id), None)",
    ),
    Mutation(
        "generations: logs kept by tenant",
        "generations/kept.py",
        "def get(",
        "self._logs.get((tenant_id, generation_id))",
        "next((e for name, e in self._logs.items() if name[1] == generation_id), None)",
    ),
    Mutation(
        "generations in Redis: joined by tenant",
        _REDIS,
        "async def join(",
        "self._flights.by_key.get((tenant_id, key))",
        "next((e for name, e in self._flights.by_key.items() if name[1] == key), None)",
    ),
    Mutation(
        "generations in Redis: followed by tenant",
        _REDIS,
        "async def follow(",
        "self._flights.by_id.get((tenant_id, generation_id))",
        "next((e for name, e in self._flights.by_id.items() if name[1] == generation_id), None)",
    ),
    Mutation(
        "generations in Redis: the question of the tenant's own",
        _REDIS,
        "async def about(",
        "self._flights.by_id.get((tenant_id, generation_id))",
        "next((e for name, e in self._flights.by_id.items() if name[1] == generation_id), None)",
    ),
    Mutation(
        "generations in Redis: keys of the tenant",
        "generations/shared_logs.py",
        "def _prefix(",
        'f"carrel:{{{tenant_id}}}:"',
        '"carrel:{tenant}:"',
    ),
    Mutation(
        "generations: one's own past the cache",
        "answering/pipeline.py",
        "# By a name that nobody else asks by",
        'f"alone:{question.request_id}"',
        '"alone"',
    ),
    Mutation(
        "resuming: the asker's groups, of a generation",
        _RESUMING,
        "async def _find(",
        "not asked.is_for(wish.groups)",
        "False",
    ),
    Mutation(
        "resuming: the asker's groups, of a kept answer",
        _RESUMING,
        "async def _kept(",
        " or not _is_for(entry.groups, wish.groups)",
    ),
    Mutation(
        "resuming: all of the asker's groups",
        "answering/kept_question.py",
        "def is_for(",
        "set(self.groups) <= set(groups)",
        "not self.groups or bool(set(self.groups) & set(groups))",
    ),
    Mutation(
        "resuming: documents that are there, of a generation",
        _RESUMING,
        "async def check(",
        "await self._check_seen(wish, sources.passages)",
        "pass",
    ),
    Mutation(
        "resuming: documents that are there, of a kept answer",
        "answering/reuse.py",
        "async def found(",
        " or entry.corpus_version != await self._versions.of(tenant_id)",
    ),
    Mutation(
        "resuming: a document's live version",
        _RESUMING,
        "async def _check_seen(",
        " or live[each.document_id].version != each.version",
    ),
    Mutation(
        "answers in memory: found by tenant",
        "caching/memory.py",
        "async def find(",
        "self._named.get((tenant_id, answer_id))\n"
        "        entry = await self.get(tenant_id, name) if name is not None else None",
        "next((n for (t, a), n in self._named.items() if a == answer_id), None)\n"
        "        owner = next((t for (t, a) in self._named if a == answer_id), tenant_id)\n"
        "        entry = await self.get(owner, name) if name is not None else None",
    ),
)
