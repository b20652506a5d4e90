"""Replicas on one Redis, in one process, so that each step can be told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.contract.generation_logs import Replica, replica

LEASE = 30.0


class Fleet:
    """Replicas that are closed at the end."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url = url
        self._stack = stack

    async def replica(self, **options: float) -> Replica:
        made = replica(self._url, **{"lease_seconds": LEASE, **options})
        return await self._stack.enter_async_context(made)


@pytest.fixture
async def fleet(redis_url: str) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        yield Fleet(redis_url, stack)
    assert asyncio.all_tasks() == {asyncio.current_task()}
