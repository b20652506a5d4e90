from pathlib import Path

import pytest
from tests.issuer import SECRET, ec_key, pem

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


JWT = {
    "CARREL_JWT__ISSUER": "https://login.example.test/",
    "CARREL_JWT__AUDIENCE": "carrel",
    "CARREL_JWT__SECRET": SECRET,
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ISSUER": None}, "set both ISSUER and AUDIENCE"),
        ({"AUDIENCE": None}, "set both ISSUER and AUDIENCE"),
        ({"AUDIENCE": ""}, "set both ISSUER and AUDIENCE"),
        ({"SECRET": None}, "set one of JWKS_URL, PUBLIC_KEY and SECRET"),
        ({"JWKS_URL": "https://login.example.test/jwks"}, "set only one of"),
        ({"SECRET": None, "JWKS_URL": "http://login.example.test/jwks"}, "must be https"),
        ({"SECRET": None, "JWKS_URL": "login.example.test"}, "must be https"),
        ({"SECRET": "short"}, "5 bytes and needs at least 32"),
        ({"ALGORITHMS": "RS256"}, "RS256 is not an algorithm for a shared secret"),
        ({"ALGORITHMS": "none"}, "none is not an algorithm"),
        ({"ALGORITHMS": "HS512"}, "needs at least 64"),
        ({"SECRET": None, "PUBLIC_KEY": "nowhere.pem"}, "neither PEM nor a file"),
        (
            {"SECRET": None, "JWKS_URL": "https://login.example.test/", "ALGORITHMS": "HS256"},
            "HS256 is not an algorithm for published keys",
        ),
        ({"LEEWAY_SECONDS": "86400"}, "CARREL_JWT__LEEWAY_SECONDS"),
    ],
)
def test_tokens_that_are_half_set_or_weak_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], says: str
):
    given = {**JWT, **{f"CARREL_JWT__{name}": value for name, value in changes.items()}}
    for name, value in given.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says) as refused:
        load_settings()
    assert SECRET not in str(refused.value)


def test_a_public_key_is_given_as_text_or_as_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    text = pem(ec_key())
    (tmp_path / "key.pem").write_text(text)
    for name in ("CARREL_JWT__ISSUER", "CARREL_JWT__AUDIENCE"):
        monkeypatch.setenv(name, "x")
    for given in (text, text.replace("\n", "\\n"), "key.pem", str(tmp_path / "key.pem")):
        monkeypatch.setenv("CARREL_JWT__PUBLIC_KEY", given)
        key = load_settings().jwt.fixed_key()
        assert key is not None
        assert key.algorithms == {"ES256"}


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
