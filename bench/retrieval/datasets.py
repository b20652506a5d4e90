"""The public data sets that retrieval is measured on, read from where they lie.

Texts are read as they are stored, so every character offset stays true.
"""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DATA = Path(__file__).parents[3] / "shared" / "data"


class DataMissing(Exception):
    """The data sets are not where they are looked for."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of a document."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question, where its answer stands, and the answers' text (empty: not given)."""

    text: str
    evidence: tuple[Span, ...]
    answers: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents by id, and the questions asked of them."""

    name: str
    documents: dict[str, str]
    questions: tuple[Question, ...]


def data_folder(given: Path | None = None) -> Path:
    """*given*, else `CARREL_BENCH_DATA`, else `../shared/data` beside the repository.

    Raises:
        DataMissing: the folder does not hold the data sets.
    """
    folder = given or Path(os.environ.get("CARREL_BENCH_DATA", DEFAULT_DATA))
    for name in ("xquad", "chunkeval"):
        if not (folder / name).is_dir():
            raise DataMissing(
                f"{folder} has no folder {name}: pass the data sets' folder as an argument, "
                "or set CARREL_BENCH_DATA (bench/retrieval/README.md says where they come from)"
            )
    return folder


def load_xquad(folder: Path, language: str = "en") -> Dataset:
    """XQuAD: each paragraph is a document, and the relevant one of its questions."""
    articles = json.loads((folder / f"xquad/xquad.{language}.json").read_text("utf-8"))["data"]
    documents: dict[str, str] = {}
    questions: list[Question] = []
    for article in articles:
        for number, paragraph in enumerate(article["paragraphs"]):
            document = f"{article['title']}/{number}"
            documents[document] = context = paragraph["context"]
            questions += (
                Question(
                    text=qa["question"],
                    evidence=(Span(document, 0, len(context)),),
                    answers=tuple(answer["text"] for answer in qa["answers"]),
                    group=article["title"],
                )
                for qa in paragraph["qas"]
            )
    return Dataset(f"xquad-{language}", documents, tuple(questions))


def load_chunkeval(folder: Path) -> Dataset:
    """Chunkeval: five long documents, and the spans in them that answer each question."""
    root = folder / "chunkeval"
    documents: dict[str, str] = {}
    for path in sorted((root / "corpora").glob("*.md")):
        with path.open(encoding="utf-8", newline="") as file:
            documents[path.stem] = file.read()
    with (root / "questions_df.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    questions = tuple(
        Question(
            text=row["question"],
            evidence=tuple(
                Span(row["corpus_id"], reference["start_index"], reference["end_index"])
                for reference in json.loads(row["references"])
            ),
            answers=tuple(reference["content"] for reference in json.loads(row["references"])),
            group=row["corpus_id"],
        )
        for row in rows
    )
    return Dataset("chunkeval", documents, questions)
