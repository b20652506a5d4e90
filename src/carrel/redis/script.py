"""Lua scripts, by name, read from beside the code that runs them."""

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and the name that Redis knows it by once it was sent."""

    source: bytes
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        name = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", name)


def read_script(package: str, *names: str) -> Script:
    """The script made of the files `lua/<name>.lua` of *package*, one after the other."""
    folder = files(package) / "lua"
    return Script(b"\n".join((folder / f"{name}.lua").read_bytes() for name in names))
