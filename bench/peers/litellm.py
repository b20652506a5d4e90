"""The LiteLLM proxy, in a virtual environment of its own, set as its makers advise for production.

https://docs.litellm.ai/docs/proxy/prod: Redis by host, port and password, no verbose logs, a
master key; without a database, so nothing of what it spends is written down.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.acceptance.server import free_port

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "peers"
MASTER_KEY = "sk-bench-9fQ2xW7rT1kZ4"


def install() -> str:
    """Install the newest LiteLLM, unless one is there; its version."""
    python = FOLDER / "venv" / "bin" / "python"
    if not (FOLDER / "venv" / "bin" / "litellm").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        uv = str(ROOT / "scripts" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", str(FOLDER / "venv")], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), "litellm[proxy]"]
        subprocess.run(install, check=True)
    asked = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextlib.contextmanager
def proxy(
    folder: Path, *, upstream: str, redis_url: str, workers: int
) -> Iterator[tuple[int, int]]:
    """A running proxy: its port, and the process that started all of its others."""
    port = free_port()
    config = folder / f"litellm-{port}.yaml"
    config.write_text(json.dumps(_config(upstream, redis_url)))  # JSON is YAML
    environment = {
        "PATH": f"{FOLDER / 'venv' / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DISABLE_NO_REDIS_WARNING": "true",
        "NO_DOCS": "True",
    }
    command = [FOLDER / "venv" / "bin" / "litellm", "--config", config]
    command += ["--host", "127.0.0.1", "--port", str(port), "--num_workers", str(workers)]
    if setpriv := shutil.which("setpriv"):  # it ends with this process, however that ends
        command = [setpriv, "--pdeathsig", "TERM", "--", *command]
    with (folder / f"litellm-{port}.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _config(upstream: str, redis_url: str) -> dict[str, object]:
    redis = urlsplit(redis_url)
    return {
        "model_list": [
            {
                "model_name": "sim",
                "litellm_params": {
                    "model": "openai/sim",
                    "api_base": upstream,
                    "api_key": "none",
                    "input_cost_per_token": 1.5e-7,
                    "output_cost_per_token": 6e-7,
                },
            }
        ],
        "litellm_settings": {
            "set_verbose": False,
            "json_logs": True,
            "request_timeout": 600,
            "telemetry": False,
            "cache": True,
            "cache_params": {
                "type": "redis",
                "host": redis.hostname,
                "port": redis.port,
                "password": redis.password,
            },
        },
        "general_settings": {"master_key": MASTER_KEY, "disable_error_logs": True},
    }
