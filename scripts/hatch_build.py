"""The build hook: puts the web console into every wheel, editable ones too, and source archive."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

console = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("build_console.py"))))


class ConsoleHook(BuildHookInterface[Any]):
    """Builds the console, unless that was done."""

    def dependencies(self) -> list[str]:
        return [] if console.is_current() else [console.REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version, build_data
        console.build()
