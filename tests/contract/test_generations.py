"""What generations promise, in memory and in Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from tests.contract.generation_logs import (
    STRANGER,
    TENANT,
    Story,
    in_memory,
    in_redis,
    rest,
    some,
    told,
)

from carrel.domain.errors import NotFound
from carrel.domain.ids import GenerationId
from carrel.generations.errors import Failed, Fenced, LogFull, Unfinished
from carrel.generations.events import Event, Offset, Restarted
from carrel.generations.flight import Writer
from carrel.generations.generations import Generations
from carrel.telemetry import metrics

pytestmark = pytest.mark.usefixtures("unblocked_loop")

Opener = Callable[..., AbstractAsyncContextManager[Generations]]


@pytest.fixture(params=["memory", "redis"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opener]:
    """Opens generations of each kind, and sees that they leave no task behind."""

    if request.param == "memory":
        yield in_memory
    else:
        yield partial(in_redis, request.getfixturevalue("redis_url"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def generations(opened: Opener) -> AsyncIterator[Generations]:
    async with opened() as generations:
        yield generations


async def test_a_generation_is_read_by_the_caller_who_leads_it(generations: Generations):
    with await generations.join(TENANT, "key", partial(told, "one two three")) as reader:
        assert reader.leads
        items = [item async for item in reader]
    assert items == [
        Event(Offset(1, 1), b"one"),
        Event(Offset(1, 2), b"two"),
        Event(Offset(1, 3), b"three"),
    ]


async def test_a_thousand_equal_questions_at_once_start_one_generation(generations: Generations):
    story = Story()
    readers = await asyncio.gather(*(generations.join(TENANT, "key", story) for _ in range(1000)))
    story.say(*"abcdefghij")
    story.end()
    read = await asyncio.gather(*map(rest, readers))
    assert story.starts == 1
    assert [reader.leads for reader in readers] == [True, *[False] * 999]
    assert read == [[*"abcdefghij"]] * 1000
    assert len({reader.generation_id for reader in readers}) == 1


async def test_other_keys_and_other_tenants_have_generations_of_their_own(
    generations: Generations,
):
    stories = [Story() for _ in range(3)]
    keys = [(TENANT, "key"), (TENANT, "another"), (STRANGER, "key")]
    readers = [
        await generations.join(*key, story) for key, story in zip(keys, stories, strict=True)
    ]
    for i, story in enumerate(stories):
        story.say(str(i))
        story.end()
    assert [await rest(reader) for reader in readers] == [["0"], ["1"], ["2"]]


async def test_who_comes_late_reads_from_the_beginning(generations: Generations):
    story = Story()
    with await generations.join(TENANT, "key", story) as early:
        story.say("one", "two")
        await some(early, 2)
        with await generations.join(TENANT, "key", Story()) as late:
            assert not late.leads
            assert await some(late, 2) == ["one", "two"]
            story.say("three")
            assert await some(late, 1) == await some(early, 1) == ["three"]


async def test_a_reader_goes_on_after_the_offset_it_names(generations: Generations):
    story = Story()
    with await generations.join(TENANT, "key", story) as reader:
        story.say("one", "two")
        await some(reader, 2)
        generation_id = reader.generation_id
        with await generations.follow(TENANT, generation_id, Offset(1, 1)) as resumed:
            assert await some(resumed, 1) == ["two"]
            assert resumed.position == Offset(1, 2)
            story.say("three")
            story.end()
            assert await rest(resumed) == ["three"]
        assert await rest(reader) == ["three"]
    for after, left in ((0, 3), (2, 1), (3, 0)):
        with await generations.follow(TENANT, generation_id, Offset(1, after)) as again:
            assert await rest(again) == ["one", "two", "three"][3 - left :]


async def test_a_position_in_another_attempt_is_void(generations: Generations):
    with await generations.join(TENANT, "key", partial(told, "one two")) as reader:
        await rest(reader)
    with await generations.follow(TENANT, reader.generation_id, Offset(7, 2)) as resumed:
        assert await anext(resumed) == Restarted(Offset(1, 0))
        assert await rest(resumed) == ["one", "two"]


async def test_a_failure_reaches_all_readers_and_no_one_after_them(generations: Generations):
    story, later = Story(), Story()
    readers = [await generations.join(TENANT, "key", story) for _ in range(3)]
    story.say("one")
    for reader in readers:
        await some(reader, 1)
    story.fail(Failed(b"upstream said 500"))
    for reader in readers:
        with pytest.raises(Failed) as failed:
            await rest(reader)
        assert failed.value.payload == b"upstream said 500"
    with await generations.follow(TENANT, readers[0].generation_id) as resumed:
        assert await some(resumed, 1) == ["one"]
        with pytest.raises(Failed, match="failed") as failed:
            await rest(resumed)
        assert failed.value.payload == b"upstream said 500"
    with await generations.join(TENANT, "key", later) as reader:
        assert reader.leads


async def test_any_other_error_of_the_leader_is_a_failure_without_words(
    generations: Generations, caplog: pytest.LogCaptureFixture
):
    story = Story()
    story.fail(ZeroDivisionError("secret"))
    with (
        await generations.join(TENANT, "key", story) as reader,
        pytest.raises(Failed) as failed,
    ):
        await rest(reader)
    assert failed.value.payload == b""
    assert "secret" in caplog.text


async def test_the_key_is_free_once_a_generation_has_ended(generations: Generations):
    for text in ("one", "two"):
        with await generations.join(TENANT, "key", partial(told, text)) as reader:
            assert reader.leads
            assert await rest(reader) == [text]
        with await generations.follow(TENANT, reader.generation_id) as ended:
            assert await rest(ended) == [text]  # and Redis knows it, too


async def test_the_leader_is_cut_when_the_last_reader_leaves(generations: Generations):
    story = Story()
    readers = [await generations.join(TENANT, "key", story) for _ in range(3)]
    before = metrics.generations_cancelled._value.get()
    story.say("one")
    await some(readers[2], 1)
    readers[0].close()  # its own caller's
    readers[1].close()
    story.say("two")
    assert await some(readers[2], 1) == ["two"]
    readers[2].close()
    await story.cancelled.wait()
    assert metrics.generations_cancelled._value.get() == before + 1
    with await generations.join(TENANT, "key", Story()) as reader:
        assert reader.leads


async def test_a_leader_that_was_cut_can_write_no_more(generations: Generations):
    begun, written = asyncio.Event(), asyncio.Event()

    async def stubborn(log: Writer) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            with pytest.raises(Fenced):
                await log.write(b"but I was not done")
            written.set()

    with await generations.join(TENANT, "key", stubborn):
        await begun.wait()
    await written.wait()


async def test_a_reader_that_comes_back_in_that_moment_is_not_lost(generations: Generations):
    for turns in range(12):
        leaving, coming = Story(), Story()
        reader = await generations.join(TENANT, "key", leaving)
        reader.close()
        for _ in range(turns):
            await asyncio.sleep(0)
        with await generations.join(TENANT, "key", coming) as reader:
            leads = reader.leads
            for story in (leaving, coming):
                story.say("one")
                story.end()
            assert await rest(reader) == ["one"]
        assert leads == (coming.starts == 1)
        assert leaving.starts <= 1


async def test_a_caller_who_gives_up_while_joining_is_no_reader(generations: Generations):
    stories = [Story(), Story()]
    tasks = [asyncio.create_task(generations.join(TENANT, "key", each)) for each in stories]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    reader = tasks[1].result()
    if not tasks[0].cancelled():  # in memory there is nothing to wait for
        tasks[0].result().close()
    story = stories[1] if reader.leads else stories[0]
    story.say("one")
    assert await some(reader, 1) == ["one"]
    reader.close()
    await story.cancelled.wait()


async def test_all_callers_giving_up_while_joining_leave_no_generation(generations: Generations):
    tasks = [asyncio.create_task(generations.join(TENANT, "key", Story())) for _ in range(3)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result().close()
    with await generations.join(TENANT, "key", partial(told, "one")) as reader:
        assert await rest(reader) == ["one"]


async def test_another_tenants_generation_is_not_there(generations: Generations):
    story = Story()
    with await generations.join(TENANT, "key", story) as reader:
        with pytest.raises(NotFound):
            await generations.follow(STRANGER, reader.generation_id)
        story.say("one")
        story.end()
        assert await rest(reader) == ["one"]
    with pytest.raises(NotFound):
        await generations.follow(STRANGER, reader.generation_id)
    with pytest.raises(NotFound):
        await generations.follow(TENANT, GenerationId("gen_unheard_of"), start=Story())


async def test_what_a_generation_is_about_is_kept_with_it_for_its_tenant(
    generations: Generations,
):
    about = b"\xff\0 what was asked"
    story = Story()
    with await generations.join(TENANT, "key", story, about) as reader:
        assert await generations.about(TENANT, reader.generation_id) == about
        with pytest.raises(NotFound):
            await generations.about(STRANGER, reader.generation_id)
        story.end()
        assert await rest(reader) == []
    assert await generations.about(TENANT, reader.generation_id) == about
    with pytest.raises(NotFound):
        await generations.about(STRANGER, reader.generation_id)
    with await generations.join(TENANT, "another", partial(told, "one")) as reader:
        await rest(reader)
    assert await generations.about(TENANT, reader.generation_id) == b""


async def test_a_reader_can_wait_for_the_end_alone(generations: Generations):
    story = Story()
    with await generations.join(TENANT, "key", story) as reader:
        waiting = asyncio.create_task(reader.over())
        story.say("one")
        assert await some(reader, 1) == ["one"]
        assert not waiting.done()
        story.end()
        await asyncio.wait_for(waiting, 5)


async def test_a_slow_reader_keeps_nobody_waiting(generations: Generations):
    story = Story()
    slow = await generations.join(TENANT, "key", story)
    quick = await generations.join(TENANT, "key", story)
    story.say(*["token"] * 5000)
    story.end()
    assert len(await rest(quick)) == 5000
    assert len(await rest(slow)) == 5000


async def test_a_generation_is_bounded(opened: Opener):
    errors: list[LogFull] = []

    async def endless(log: Writer) -> None:
        try:
            while True:
                await log.write(b"x" * 1000)
        except LogFull as full:
            errors.append(full)
            raise Failed(b"too long") from full

    async with opened(max_bytes=10_000) as generations:
        with await generations.join(TENANT, "key", endless) as reader:
            with pytest.raises(Failed) as failed:
                await rest(reader)
            assert reader.position == Offset(1, 8)
            assert failed.value.payload == b"too long"
    assert len(errors) == 1


async def test_events_may_hold_any_bytes(generations: Generations):
    data = [b"", bytes(range(256)), b"\r\n" * 100, b"x" * 300_000]

    async def write(log: Writer) -> None:
        for each in data:
            await log.write(each)

    with await generations.join(TENANT, "key\0{ten_b}", write) as reader:
        assert [item.data async for item in reader if isinstance(item, Event)] == data
    with await generations.follow(TENANT, reader.generation_id) as again:
        assert [item.data async for item in again if isinstance(item, Event)] == data


async def test_what_was_cut_for_want_of_readers_is_begun_again_by_one_who_can(
    generations: Generations,
):
    first, second = Story(), Story()
    reader = await generations.join(TENANT, "key", first)
    first.say("one")
    await some(reader, 1)
    reader.close()
    await first.cancelled.wait()
    with (
        await generations.follow(TENANT, reader.generation_id) as resumed,
        pytest.raises(Unfinished) as unfinished,
    ):
        await rest(resumed)
    assert unfinished.value.reason == "cancelled"
    with await generations.follow(TENANT, reader.generation_id, reader.position, second) as resumed:
        assert resumed.leads
        second.say("uno")
        second.end()
        assert await rest(resumed) == ["<restarted>", "uno"]
        assert resumed.position == Offset(2, 1)


async def test_readers_are_told_that_the_process_is_closing(opened: Opener):
    story = Story()
    async with opened() as generations:
        reader = await generations.join(TENANT, "key", story)
        story.say("one")
        await some(reader, 1)
    assert story.cancelled.is_set()
    with pytest.raises(Unfinished) as unfinished:
        await rest(reader)
    assert unfinished.value.reason == "closing"


async def test_closing_waits_for_what_the_leader_has_to_settle(opened: Opener):
    settled: list[str] = []

    async def leader(log: Writer) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                for _ in range(10):
                    await asyncio.sleep(0)
            settled.append("settled")

    async with opened() as generations:
        await generations.join(TENANT, "key", leader)
        await asyncio.sleep(0)
    assert settled == ["settled"]


async def test_a_leader_bears_the_context_of_its_caller(generations: Generations):
    import contextvars

    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    seen: list[str] = []

    async def leader(log: Writer) -> None:
        seen.append(request.get())

    request.set("req_1")
    with await generations.join(TENANT, "key", leader) as reader:
        await rest(reader)
    assert seen == ["req_1"]
