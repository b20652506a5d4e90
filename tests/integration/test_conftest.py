"""The rules that hold for every test, held themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from blockbuster import BlockingError

import carrel

ROOT = Path(__file__).parents[2]

WHOLE_MODULE = """
import pytest
pytest.skip("why", allow_module_level=True)
"""
TESTS = """
import os, pytest

def test_that_skips(): pytest.skip("why")

@pytest.mark.skip
def test_that_is_skipped(): ...

@pytest.mark.xfail
def test_expected_to_fail(): assert False

def test_sees_no_settings_of_the_developer(): assert "CARREL_DATABASE_URL" not in os.environ
"""


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [
        ("", "1 passed, 3 skipped, 1 xfailed"),
        ("true", "1 failed, 1 passed, 1 xfailed, 2 errors"),
    ],
    ids=["developer", "ci"],
)
def test_a_skip_is_a_failure_in_ci_and_nowhere_else(ci: str, outcome: str, tmp_path: Path) -> None:
    (tmp_path / "test_module.py").write_text(WHOLE_MODULE)
    (tmp_path / "test_sample.py").write_text(TESTS)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        cwd=ROOT,
        env={**os.environ, "CI": ci, "CARREL_DATABASE_URL": "postgresql://live"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in run.stdout.splitlines()[-1]


@pytest.mark.usefixtures("unblocked_loop")
async def test_code_of_carrel_that_blocks_the_loop_is_caught() -> None:
    module: dict[str, object] = {}
    file = Path(carrel.__file__).with_name("sleeper.py")
    exec(compile("import time\ndef doze(): time.sleep(0)", file, "exec"), module)
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        module["doze"]()
