"""A corpus version is that of now: no change that was acknowledged is missed."""

import asyncio
from typing import Any

import pytest

from carrel.caching.versions import CorpusVersions
from carrel.domain.errors import NotFound, Unavailable
from carrel.domain.ids import TenantId


class Row:
    def __init__(self, tenant_id: str, version: int) -> None:
        self.id = tenant_id
        self.corpus_version = version


class SlowDatabase:
    """Answers with what it held when the query began, once it is let."""

    def __init__(self) -> None:
        self.versions = {"ten_a": 1, "ten_b": 5}
        self.asked: list[list[str]] = []
        self.let = asyncio.Event()
        self.fault: Exception | None = None

    def quick(self, _query: object) -> None:
        """It is a server."""

    async def fetch(self, _query: object, parameters: dict[str, Any]) -> list[Row]:
        wanted = sorted(parameters["ids"])
        self.asked.append(wanted)
        rows = [Row(each, self.versions[each]) for each in wanted if each in self.versions]
        await self.let.wait()
        if self.fault:
            raise self.fault
        return rows


A, B = TenantId("ten_a"), TenantId("ten_b")


async def test_who_asks_after_a_change_waits_for_a_reading_that_began_after_it():
    database = SlowDatabase()
    versions = CorpusVersions(database)  # type: ignore[arg-type]
    before = asyncio.create_task(versions.of(A))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert database.asked == [["ten_a"]]
    database.versions["ten_a"] = 2
    after = [asyncio.create_task(versions.of(A)) for _ in range(100)]
    other = asyncio.create_task(versions.of(B))
    await asyncio.sleep(0)
    database.let.set()
    assert await before == 1
    assert set(await asyncio.gather(*after)) == {2}
    assert await other == 5
    assert database.asked == [["ten_a"], ["ten_a", "ten_b"]]


async def test_a_tenant_that_is_not_there_is_not_found():
    database = SlowDatabase()
    database.let.set()
    with pytest.raises(NotFound):
        await CorpusVersions(database).of(TenantId("ten_x"))  # type: ignore[arg-type]


async def test_a_fault_reaches_all_who_wait_and_nobody_after():
    database = SlowDatabase()
    database.let.set()
    database.fault = Unavailable("down")
    versions = CorpusVersions(database)  # type: ignore[arg-type]
    outcomes = await asyncio.gather(*(versions.of(A) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in outcomes] == [Unavailable] * 3
    database.fault = None
    assert await versions.of(A) == 1


async def test_one_who_leaves_takes_nobody_along():
    database = SlowDatabase()
    versions = CorpusVersions(database)  # type: ignore[arg-type]
    leaving = asyncio.create_task(versions.of(A))
    staying = asyncio.create_task(versions.of(A))
    await asyncio.sleep(0)
    leaving.cancel()
    database.let.set()
    assert await staying == 1
    await versions.close()
