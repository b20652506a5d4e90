"""Write the demo's PDF, Word, Excel and PowerPoint files from their Markdown sources.

The same sources give the same bytes on every run with the same libraries, so
a change in a committed file always comes from a change in its source.
"""

import argparse
from pathlib import Path

from demo_corpus.company import COMPANIES, Company
from demo_corpus.markdown import parse
from demo_corpus.pdf import write_pdf
from demo_corpus.sheets import write_xlsx
from demo_corpus.slides import write_pptx
from demo_corpus.word import write_docx

SOURCES = Path(__file__).parent / "demo_corpus"
CORPUS = Path(__file__).parent.parent / "src/carrel/cli/demo/corpus"
WRITERS = {".pdf": write_pdf, ".docx": write_docx, ".xlsx": write_xlsx, ".pptx": write_pptx}


def write_company(company: Company, folder: Path) -> list[Path]:
    """Write each of the company's sources, `<name>.<format>.md`, to `folder/<name>.<format>`."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for source in sorted((SOURCES / company.slug).glob("*.md")):
        target = folder / source.stem
        WRITERS[target.suffix](parse(source.read_text("utf-8")), company, target)
        written.append(target)
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=CORPUS, help="folder to write to")
    out: Path = parser.parse_args().out
    for company in COMPANIES:
        for path in write_company(company, out / company.slug):
            print(f"{path.stat().st_size:>8,} bytes  {path}")


if __name__ == "__main__":
    main()
