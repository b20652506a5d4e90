"""Checks that a wheel holds every file of the package: code, migrations, demo corpus, all of it.

python scripts/check_wheel.py dist/carrel-….whl
"""

import sys
from pathlib import Path
from zipfile import ZipFile

SOURCE = Path(__file__).parents[1] / "src"
NOT_SHIPPED = {".pyc", ".pyo"}


def expected() -> set[str]:
    return {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "carrel").rglob("*")
        if path.is_file() and path.suffix not in NOT_SHIPPED
    }


def main(wheel: Path) -> int:
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wrong = [f"missing: {name}" for name in sorted(expected() - packed)]
    wrong += [f"unexpected: {name}" for name in sorted(packed - expected())]
    size = wheel.stat().st_size / 1_000_000
    print(*wrong, f"{wheel.name}: {len(packed)} files, {size:.1f} MB", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
