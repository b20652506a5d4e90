"""Answers in Redis, compressed, for all processes of a deployment; all keys expire.

`carrel:{tenant}:answer:<fingerprint>` holds the answer, `…:answered:<answer id>` its
fingerprint, and `…:cited:<document>` the fingerprints of answers that were written from
the document, so that they go with it.
"""

import hashlib
import zlib
from functools import partial

import msgspec

from carrel.caching.entry import Entry, decode, encode
from carrel.caching.fingerprint import Fingerprint
from carrel.caching.store import Dropped
from carrel.domain.ids import AnswerId, DocumentId, TenantId
from carrel.lately import Lately
from carrel.redis.client import RedisClient

_COMPRESSED_ABOVE = 1_000  # bytes
_PLAIN, _COMPRESSED = b"0", b"1"
_SCANNED_AT_ONCE = 1_000


class RedisAnswers:
    """An `AnswerStore` that all replicas share; each answer is kept for *ttl_seconds*."""

    def __init__(self, client: RedisClient, *, ttl_seconds: float) -> None:
        self._client = client
        self._decoded: Lately[bytes, Entry] = Lately()
        self._ttl = int(ttl_seconds)

    async def get(self, tenant_id: TenantId, name: Fingerprint) -> Entry | None:
        data = await self._client.call("GET", _answer(tenant_id, name))
        if data is None:
            return None
        try:
            return self._decoded.of(data, partial(_unpacked, data))
        except (msgspec.DecodeError, zlib.error):  # of another version of Carrel
            return None

    async def find(self, tenant_id: TenantId, answer_id: AnswerId) -> Entry | None:
        name = await self._client.call("GET", _answered(tenant_id, answer_id))
        if name is None:
            return None
        entry = await self.get(tenant_id, Fingerprint(name.decode()))
        # Another answer may have taken its place.
        return entry if entry and entry.answer.id == answer_id else None

    async def put(self, tenant_id: TenantId, name: Fingerprint, entry: Entry) -> None:
        data = encode(entry)
        if len(data) > _COMPRESSED_ABOVE:
            data = _COMPRESSED + zlib.compress(data, 1)
        else:
            data = _PLAIN + data
        commands = [
            ("SET", _answer(tenant_id, name), data, "EX", self._ttl),
            ("SET", _answered(tenant_id, entry.answer.id), name, "EX", self._ttl),
        ]
        for document_id in {each.document_id for each in entry.answer.sources}:
            cited = _cited(tenant_id, document_id)
            commands += [("SADD", cited, name), ("EXPIRE", cited, self._ttl)]
        await self._client.call_all(commands)

    async def drop(self, tenant_id: TenantId, answer_id: AnswerId) -> Dropped | None:
        name = await self._client.call("GETDEL", _answered(tenant_id, answer_id))
        if name is None:
            return None
        found = Fingerprint(name.decode())
        entry = await self.get(tenant_id, found)
        if entry is None:
            return None
        await self._client.call("DEL", _answer(tenant_id, found))
        return Dropped(found, entry)

    async def drop_document(self, tenant_id: TenantId, document_id: DocumentId) -> None:
        cited = _cited(tenant_id, document_id)
        names = await self._client.call("SMEMBERS", cited)
        answers = [_answer(tenant_id, Fingerprint(name.decode())) for name in names]
        await self._client.call("DEL", cited, *answers)

    async def clear(self, tenant_id: TenantId) -> None:
        for kind in ("answer", "answered", "cited"):
            for keys in await self._scan(tenant_id, kind):
                await self._client.call("UNLINK", *keys)

    async def count(self, tenant_id: TenantId) -> int:
        found = [await self._scan(tenant_id, kind) for kind in ("answer", "answered", "cited")]
        return sum(len(keys) for batches in found for keys in batches)

    async def _scan(self, tenant_id: TenantId, kind: str) -> list[list[bytes]]:
        pattern = f"{_prefix(tenant_id)}{kind}:*"
        found: list[list[bytes]] = []
        cursor = b"0"
        while True:
            cursor, keys = await self._client.call(
                "SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED_AT_ONCE
            )
            if keys:
                found.append(keys)
            if cursor == b"0":
                return found


def _unpacked(data: bytes) -> Entry:
    return decode(zlib.decompress(data[1:]) if data[:1] == _COMPRESSED else data[1:])


def _prefix(tenant_id: TenantId) -> str:
    return f"carrel:{{{tenant_id}}}:"


def _answer(tenant_id: TenantId, name: Fingerprint) -> str:
    return f"{_prefix(tenant_id)}answer:{name}"


def _answered(tenant_id: TenantId, answer_id: AnswerId) -> str:
    return f"{_prefix(tenant_id)}answered:{answer_id}"


def _cited(tenant_id: TenantId, document_id: DocumentId) -> str:
    name = hashlib.sha256(document_id.encode()).hexdigest()[:32]
    return f"{_prefix(tenant_id)}cited:{name}"
