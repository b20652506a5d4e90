"""deploy/compose.yaml, held against the specification and our settings; no engine has run it."""

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml
from cryptography import x509
from tests.integration.deploy.files import DEPLOY, unknown_settings

from carrel.settings import admin_key_weakness

SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_what_the_specification_allows():
    schema = json.loads((SCHEMAS / "compose-spec.json").read_text())
    jsonschema.Draft7Validator(schema).validate(COMPOSE)


def test_every_setting_it_names_exists():
    assert unknown_settings(TEXT) == set()


def test_every_file_it_mounts_is_there():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, _, _ = volume.partition(":")
            if source.startswith("./") and source != "./tls":  # made by make-secrets
                assert (DEPLOY / source).exists(), (name, source)
            elif ":" in volume and not source.startswith("."):
                assert source in COMPOSE["volumes"], (name, source)
    assert (DEPLOY / "nginx" / "15-gateway.envsh").stat().st_mode & stat.S_IXUSR


def test_what_the_gateway_is_told_it_knows():
    known = (DEPLOY / "nginx" / "15-gateway.envsh").read_text()
    for variable in SERVICES["gateway"]["environment"]:
        assert variable.startswith("NGINX_") or variable in known


def test_only_the_gateway_can_be_reached_and_data_has_no_way_out():
    for name, service in SERVICES.items():
        ports = [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")]
        assert not ports or name == "gateway"
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis", "qdrant-1", "qdrant-2", "qdrant-3"):
        assert list(SERVICES[name]["networks"]) == ["inside"]


def test_redis_keeps_accounts_so_it_evicts_nothing_and_writes_them_down():
    (_, _, command) = SERVICES["redis"]["command"]
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_each_server_has_a_data_folder_of_its_own():
    for name in ("api", "worker"):
        assert "/var/lib/carrel" in SERVICES[name]["volumes"], "a named volume would be shared"


def test_make_secrets_makes_all_that_is_asked_for_strong_and_once(tmp_path: Path):
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL is not installed: run `sudo scripts/install_test_services`")
    program = shutil.copy(DEPLOY / "make-secrets", tmp_path)
    for _ in range(2):
        subprocess.run([program, "rag.example.org"], check=True, capture_output=True)
        file = tmp_path / ".env"
        made = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        needed = set(re.findall(r"\$\{(\w+):\?", TEXT))
        assert needed <= made.keys()
        assert len({made[name] for name in needed}) == len(needed)
        for name in needed:
            assert admin_key_weakness(made[name]) is None
        again = file.read_text()
    assert again == file.read_text()
    certificate = x509.load_pem_x509_certificate((tmp_path / "tls" / "tls.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["rag.example.org"]
    assert stat.S_IMODE((tmp_path / "tls" / "tls.key").stat().st_mode) == 0o600
