import subprocess
import sys

import pytest

from carrel import __version__

HEAVY = ("aiohttp", "rich", "msgspec", "pydantic", "fastapi", "numpy", "sqlalchemy")


def test_help_lists_the_commands(carrel):
    result = carrel("--help")
    assert result.status == 0
    for command in ("demo", "ingest", "ask", "tenants", "keys"):
        assert f"  {command} " in result.out


def test_help_loads_no_heavy_library():
    program = (
        "import sys\nfrom carrel.cli.app import run\n"
        "try:\n    run(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stderr.strip() == "[]"


def test_version(carrel):
    assert carrel("--version").out == f"carrel {__version__}\n"


def test_python_dash_m_is_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "carrel", "--version"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("carrel ")


@pytest.mark.parametrize("args", [("nonsense",), ("ask",), ("ingest", "/no/such/folder")])
def test_wrong_usage_exits_with_2(carrel, args):
    assert carrel(*args).status == 2


def test_no_server_says_how_to_start_one(carrel, monkeypatch, unused_tcp_port):
    monkeypatch.setenv("CARREL_URL", f"http://127.0.0.1:{unused_tcp_port}")
    result = carrel("tenants", "list")
    assert result.status == 1
    assert "carrel serve" in result.err
    assert len(result.err.splitlines()) == 1


def test_a_refused_key_says_what_to_set(carrel, monkeypatch):
    monkeypatch.setenv("CARREL_API_KEY", "crl_wrong")
    result = carrel("ask", "anything")
    assert (result.status, result.out) == (1, "")
    assert "CARREL_API_KEY" in result.err
    assert "req_1" in result.err
    monkeypatch.setenv("CARREL_ADMIN_KEY", "wrong")
    assert "CARREL_ADMIN_KEY" in carrel("tenants", "list").err


@pytest.mark.parametrize("command", [("ask", "anything"), ("tenants", "list")])
def test_a_missing_key_is_wrong_usage(carrel, monkeypatch, command):
    monkeypatch.delenv("CARREL_API_KEY")
    monkeypatch.delenv("CARREL_ADMIN_KEY")
    result = carrel(*command)
    assert result.status == 2
    assert "CARREL_A" in result.err


def test_an_address_that_is_none_is_wrong_usage(carrel):
    result = carrel("ask", "anything", "--url", "localhost:8080")
    assert result.status == 2
    assert "http://" in result.err


def test_a_server_that_is_not_carrel_is_no_traceback(carrel, fake):
    from aiohttp import web

    fake.refusals.append(web.Response(text="<h1>It works!</h1>"))
    result = carrel("tenants", "list")
    assert result.status == 1
    assert "--url" in result.err
    fake.refusals.append(web.Response(status=502, text="<h1>Bad Gateway</h1>"))
    assert "502" in carrel("tenants", "list").err
