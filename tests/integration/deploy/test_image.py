"""deploy/Dockerfile, read: hadolint's rules and ours; no engine has built it."""

import fnmatch
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.integration.deploy.files import DEPLOY, ROOT, unknown_settings

TEXT = (DEPLOY / "Dockerfile").read_text()
STAGES = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]
LAST = STAGES[-1]
IGNORED = [
    line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"
]


def _copied() -> list[str]:
    """What is copied from the repository, in the build stage."""
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", STAGES[1], flags=re.MULTILINE)
    return [word for line in lines for word in line.split()]


def _is_sent(path: str) -> bool:
    """Whether .dockerignore leaves *path* in what is sent to the engine; the last rule decides."""
    sent = True
    for rule in IGNORED:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = Path(path).parts
        prefixes = ["/".join(parts[: n + 1]) for n in range(len(parts))]
        names = parts if rule.startswith("**/") else prefixes
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            sent = rule.startswith("!")
    return sent


def test_hadolint_finds_no_fault():
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_is_there_and_is_sent():
    assert _copied()
    for path in _copied():
        assert (ROOT / path).exists(), path
        assert _is_sent(path), path
    for path in (
        ".env",
        "deploy/.env",
        ".git/config",
        "console/node_modules/a",
        ".venv/bin/python",
    ):
        assert not _is_sent(path), path
    assert not _is_sent("src/carrel/console_dist/index.html"), "it would be the developer's own"


def test_what_the_package_is_built_from_is_copied():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [
        project["project"]["readme"],
        *project["project"]["license-files"],
        project["tool"]["hatch"]["build"]["hooks"]["custom"]["path"],
        "scripts/build_console.py",
        project["tool"]["hatch"]["version"]["path"],
        "console/package-lock.json",
    ]
    for path in needed:
        assert any(path == each or path.startswith(each + "/") for each in _copied()), path


def test_the_image_is_run_by_nobody_in_particular_and_has_no_tools():
    assert re.search(r"^USER 10001:10001$", LAST, re.MULTILINE)
    assert not re.search(r"apt|pip|curl|wget|/uv\b", LAST)
    assert "COPY --from=build /opt/carrel /opt/carrel" in LAST
    assert "HEALTHCHECK" in LAST
    assert unknown_settings(TEXT) == set()


def test_python_is_one_that_the_project_takes_and_the_same_in_both_stages():
    versions = set(re.findall(r"^FROM (python:\S+)", TEXT, re.MULTILINE))
    assert len(versions) == 1
    assert re.match(r"python:3\.1[1-3]-slim", versions.pop())
