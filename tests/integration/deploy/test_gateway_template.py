"""The gateway's defaults agree with the server's; tests/acceptance has what nginx makes of them."""

import os
import re
import shutil
import subprocess

import pytest
from tests.integration.deploy.files import DEPLOY

from carrel.api.event_stream import HEARTBEAT_SECONDS
from carrel.asgi import ENVELOPE_BYTES
from carrel.ingestion_settings import IngestionSettings
from carrel.serving.api import KEEP_ALIVE_SECONDS
from carrel.settings import LlmSettings


def _rendered(**variables: str) -> str:
    if shutil.which("envsubst") is None:
        pytest.skip("envsubst is not installed: run `sudo scripts/install_test_services`")
    done = subprocess.run(
        [DEPLOY / "nginx" / "render"],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _number(name: str, text: str) -> int:
    (found,) = re.findall(rf"^\s*{name} (\d+)s?;", text, re.MULTILINE)
    return int(found)


def test_limits_and_times_agree_with_the_servers():
    text = _rendered(GATEWAY_REPLICAS="api:8080")
    most = IngestionSettings().max_upload_bytes + ENVELOPE_BYTES
    assert _number("client_max_body_size", text) == most
    waiting = _number("proxy_read_timeout", text)
    assert waiting > 2 * HEARTBEAT_SECONDS
    assert waiting > LlmSettings().first_token_timeout_seconds + 60
    upstream = text[text.index("upstream reads") : text.index("upstream writes")]
    assert _number("keepalive_timeout", upstream) < KEEP_ALIVE_SECONDS


def test_lists_become_lines_and_nothing_is_left_open():
    text = _rendered(
        GATEWAY_REPLICAS="api-1:8080 api-2:8080",
        GATEWAY_ADMIN_NETWORKS="10.0.0.0/8 fd00::/8",
        GATEWAY_TRUSTED_PROXIES="10.9.0.1",
        GATEWAY_RESOLVER="127.0.0.11",
    )
    directives = re.sub(r"#.*", "", text)
    assert "GATEWAY_" not in directives
    for replica in ("api-1:8080", "api-2:8080"):
        line = f"server {replica} max_fails=2 fail_timeout=5s resolve;"
        assert directives.count(line) == 2
    assert "resolver 127.0.0.11 valid=5s;" in directives
    assert "allow 10.0.0.0/8; allow fd00::/8;" in directives
    assert "set_real_ip_from 10.9.0.1;" in directives
    assert "non_idempotent" not in directives


def test_without_replicas_it_says_what_to_set():
    with pytest.raises(AssertionError, match="GATEWAY_REPLICAS"):
        _rendered()
