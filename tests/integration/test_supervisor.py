"""The supervisor, with small processes in the place of ours."""

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrel.serving import child
from carrel.serving.child import ChildSpec
from carrel.serving.supervisor import Supervisor


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules children can run."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setattr(child, "LONGEST_PAUSE_SECONDS", 0.1)
    return tmp_path


def module(folder: Path, name: str, code: str) -> str:
    (folder / f"{name}.py").write_text(textwrap.dedent(code))
    return name


async def until_text(path: Path, lines: int) -> list[str]:
    async with asyncio.timeout(30):
        while True:
            found = path.read_text().split() if path.exists() else []
            if len(found) >= lines:
                return found
            await asyncio.sleep(0.02)


async def test_a_child_that_is_never_ready_is_given_up(
    modules: Path, caplog: pytest.LogCaptureFixture
):
    failing = module(modules, "failing", "raise SystemExit(3)")
    spec = ChildSpec("API", failing, patience_seconds=0)
    assert await asyncio.wait_for(Supervisor([[spec]]).run(), 60) == 1
    said = [record.getMessage() for record in caplog.records]
    assert "ended with status 3 before it was ready; starting it again in 0.1 s" in said[0]
    assert "3 times in a row" in said[2]
    assert said[-1].startswith("the API process ended with status 3 before it was ready, 6 times")
    assert caplog.records[-1].levelname == "CRITICAL"


async def test_invalid_settings_end_the_server_at_once(
    modules: Path, caplog: pytest.LogCaptureFixture
):
    invalid = module(modules, "invalid", "raise SystemExit(78)")
    assert await asyncio.wait_for(Supervisor([[ChildSpec("worker", invalid)]]).run(), 60) == 1
    assert "the worker process cannot run with these settings" in caplog.text


async def test_a_child_that_was_ready_once_is_started_again_for_ever(modules: Path):
    starts = modules / "starts"
    code = f"""
        import pathlib
        from carrel.serving.lifeline import say_ready
        with pathlib.Path({str(starts)!r}).open("a") as file:
            file.write("start ")
        say_ready()
        raise SystemExit(3)
    """
    spec = ChildSpec("API", module(modules, "dying", code), patience_seconds=0)
    running = asyncio.create_task(Supervisor([[spec]]).run())
    await until_text(starts, 2 * child.PATIENCE_STARTS)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 60) == 0


async def test_what_is_needed_by_others_stops_after_them(modules: Path):
    ends = modules / "ends"
    code = f"""
        import pathlib, signal, sys, time
        from carrel.serving.lifeline import say_ready

        def end(*_):
            time.sleep(0.2 if sys.argv[1] == "api" else 0)
            with pathlib.Path({str(ends)!r}).open("a") as file:
                file.write(sys.argv[1] + " ")
            sys.exit(0)

        signal.signal(signal.SIGTERM, end)
        with pathlib.Path({str(modules / "begun")!r}).open("a") as file:
            file.write("begun ")
        say_ready()
        signal.pause()
    """
    name = module(modules, "ending", code)
    stages = [[ChildSpec("engine", name, ["engine"])], [ChildSpec("API", name, ["api"])]]
    running = asyncio.create_task(Supervisor(stages).run())
    await until_text(modules / "begun", 2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 60) == 0
    assert ends.read_text().split() == ["api", "engine"]


SLEEPS = """
    import pathlib, signal, sys
    from carrel.serving.lifeline import say_ready

    signal.signal(signal.SIGHUP, lambda *_: sys.exit(0))
    with pathlib.Path(sys.argv[1]).open("a") as file:
        file.write("start ")
    say_ready()
    signal.pause()
"""


async def test_sighup_puts_a_new_process_in_the_place_of_the_old_one(modules: Path):
    starts = modules / "starts"
    name = module(modules, "sleeping", SLEEPS)
    running = asyncio.create_task(
        Supervisor([[ChildSpec("API", name, [str(starts)], renewed=True)]]).run()
    )
    await until_text(starts, 1)
    os.kill(os.getpid(), signal.SIGHUP)
    await until_text(starts, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 60) == 0
    assert len(await until_text(starts, 2)) == 2


async def test_a_terminal_that_is_closed_stops_what_was_started_there(modules: Path):
    starts = modules / "starts"
    name = module(modules, "sleeping", SLEEPS)
    code = f"""
        import asyncio
        from carrel.serving.child import ChildSpec
        from carrel.serving.supervisor import Supervisor
        spec = ChildSpec("API", {name!r}, [{str(starts)!r}], renewed=True)
        raise SystemExit(asyncio.run(Supervisor([[spec]]).run()))
    """
    terminal, side = os.openpty()
    # A process that leads its session, and opens a terminal, has it.
    opened = ["sh", "-c", 'exec 3<>"$0"; exec "$@"', os.ttyname(side)]
    process = await asyncio.create_subprocess_exec(
        *opened, sys.executable, "-m", module(modules, "server", code), start_new_session=True
    )
    await until_text(starts, 1)
    os.close(side)
    os.close(terminal)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert len(await until_text(starts, 1)) == 1
