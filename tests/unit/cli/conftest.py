"""The command line as its users meet it: arguments in, output and exit status out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.unit.cli.fake import ADMIN_KEY, FakeCarrel, running

from carrel.cli.app import run


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str


Carrel = Callable[..., Result]


@pytest.fixture
def fake() -> Iterator[FakeCarrel]:
    with running(FakeCarrel()) as server:
        yield server


@pytest.fixture
def carrel(
    fake: FakeCarrel, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Carrel:
    """Runs a command against the fake, with the admin key and a key of tenant acme at hand."""
    monkeypatch.setenv("CARREL_URL", fake.url)
    monkeypatch.setenv("CARREL_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("CARREL_API_KEY", fake.tenant_of("acme"))

    def invoke(*args: object) -> Result:
        with pytest.raises(SystemExit) as ended:
            run([str(arg) for arg in args])
        code = ended.value.code
        captured = capsys.readouterr()
        return Result(code if isinstance(code, int) else int(code is not None), *captured)

    return invoke
