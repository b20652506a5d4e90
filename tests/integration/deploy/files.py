"""The files of deploy/, and which settings they name."""

import re
from pathlib import Path

from carrel.settings import OTHER_VARIABLES, setting_names

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
# What Kubernetes would set; named in a comment that says why it must not.
NO_SETTINGS = frozenset({"CARREL_PORT"})


def unknown_settings(text: str) -> set[str]:
    """Names in *text* that look like settings and are none."""
    named = set(re.findall(r"CARREL_[A-Z0-9_]*[A-Z0-9]", text))
    return named - set(setting_names()) - OTHER_VARIABLES - NO_SETTINGS
