from pathlib import Path

import pytest

from carrel.settings import Settings, SettingsError, load_settings, setting_names

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_documented(name: str):
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert f"`{name}`" in page


def test_the_documentation_names_no_setting_that_does_not_exist():
    import re

    page = (ROOT / "docs" / "configuration.md").read_text()
    named = set(re.findall(r"`(CARREL_[A-Z_]+)`", page))
    assert named <= set(setting_names()) | {"CARREL_URL", "CARREL_API_KEY"}


def test_every_variable_of_the_example_is_a_setting():
    import re

    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?(CARREL_\w+)=", example, re.MULTILINE)) <= set(setting_names())


def test_defaults_need_no_environment():
    settings = load_settings({})
    assert settings.data_dir == Path.cwd() / ".carrel"
    assert settings.sql_url == f"sqlite:///{Path.cwd()}/.carrel/carrel.db"


def test_nested_settings_are_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARREL_LLM__BASE_URL", "http://localhost:1/v1")
    monkeypatch.setenv("CARREL_LLM__MODEL", "m")
    monkeypatch.setenv("CARREL_PRICES", '{"m": {"input": 0.15, "output": "0.60"}}')
    settings = load_settings()
    assert settings.llm.model == "m"
    assert str(settings.prices["m"].input) == "0.15"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("CARREL_ADMIN_KEY", "short", "at least 32"),
        ("CARREL_ADMIN_KEY", "changeme-changeme-changeme-changeme", "placeholder"),
        ("CARREL_ADMIN_KEY", "abababababababababababababababababab", "repeats"),
        ("CARREL_EMBEDDER__KIND", "magic", "CARREL_EMBEDDER__KIND"),
        ("CARREL_INGESTION__CONCURRENCY", "0", "CARREL_INGESTION__CONCURRENCY"),
        ("CARREL_INGESTION__CHUNK_OVERLAP_TOKENS", "900", "less than"),
        ("CARREL_LLM__BASE_URL", "http://localhost/v1", "CARREL_LLM__MODEL"),
        ("CARREL_INGESTON__CONCURRENCY", "2", "no such setting"),
        ("CARREL_PRICES", '{"m": {"input": -1, "output": 1}}', "CARREL_PRICES"),
        ("CARREL_PRICES", '{"m": ', "CARREL_PRICES: not valid JSON"),
        ("CARREL_QDRANT_URL", "qdrant:6334", "http://"),
        ("CARREL_QDRANT_CA_FILE", "/nowhere/ca.pem", "CARREL_QDRANT_CA_FILE"),
        ("CARREL_QDRANT_SERVERS", '{"eu": {"url": "http://q"}}', "need a Qdrant server for all"),
        ("CARREL_QDRANT_SERVERS", '{"eu": {}}', "CARREL_QDRANT_SERVERS__EU__URL"),
        ("CARREL_QDRANT_SERVERS", '{"eu": {"url": "q"}}', "http://"),
        ("CARREL_QDRANT_SERVERS", '{"e u": {"url": "http://q"}}', "'e u' is no name"),
        ("CARREL_QDRANT_SERVERS", '{"EU": {"url": "http://q"}}', "'EU' is no name"),
        ("CARREL_QDRANT_SERVERS", '{"": {"url": "http://q"}}', "'' is no name"),
        (
            "CARREL_QDRANT_SERVERS",
            f'{{"{"e" * 41}": {{"url": "http://q"}}}}',
            "is no name of a server",
        ),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        load_settings()


def test_an_error_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARREL_ADMIN_KEY", "hunter2")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    monkeypatch.delenv("CARREL_ADMIN_KEY")
    for wrong in ('{"eu": {"url": "q", "api_key": "hunter2"}}', '{"eu": "hunter2"'):
        monkeypatch.setenv("CARREL_QDRANT_SERVERS", wrong)
        with pytest.raises(SettingsError) as refused:
            load_settings()
        assert "hunter2" not in str(refused.value)
    servers = '{"eu": {"url": "http://q", "api_key": "hunter2"}}'
    monkeypatch.setenv("CARREL_QDRANT_SERVERS", servers)
    monkeypatch.setenv("CARREL_QDRANT_URL", "http://q")
    assert "hunter2" not in repr(load_settings())
    monkeypatch.setenv("CARREL_DATABASE_URL", "postgresql://u:hunter2@h/d")
    assert "hunter2" not in repr(Settings())
