"""JSON as lines that stand alone: each value beside the path to it.

An object of plain values is one line, `- name: Oslo; hotel: 210`, as a row of a table is.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

from carrel.ingestion.parse.failure import ParseFailed

_NOTHING: tuple[Any, ...] = (None, "", [], {})


def json_text(text: str) -> str:
    """The values of a JSON document, or of one on each line.

    Raises:
        ParseFailed: not JSON; nested too deeply.
    """
    try:
        value = _loaded(text)
        return "\n".join(_top(value))
    except RecursionError:
        raise ParseFailed("the JSON is nested too deeply") from None


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            if len(lines) > 1:
                return [json.loads(line) for line in lines]
        except ValueError:
            pass
        raise ParseFailed(f"the JSON is damaged in line {error.lineno}: {error.msg}") from None
    except ValueError:  # a number of more digits than Python reads
        raise ParseFailed("the JSON is damaged: it holds an impossible number") from None


def _top(value: Any) -> Iterator[str]:
    """The lines of a whole document; what holds more than a line is a section."""
    if not isinstance(value, dict):
        yield from _lines("", value)
        return
    fields = cast("dict[str, Any]", value)
    plain = {key: each for key, each in fields.items() if _is_plain(each)}
    if row := _row(plain):
        yield f"- {row}"
    for key, each in fields.items():
        if key not in plain and each not in _NOTHING:
            yield f"\n## {_word(key)}\n"
            yield from _lines("", each)


def _lines(path: str, value: Any) -> Iterator[str]:
    lead = f"- {path}: " if path else "- "
    if value in _NOTHING:
        return
    if _is_plain(value):
        yield lead + _word(value)
    elif isinstance(value, dict):
        plain: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        _flatten("", cast("dict[str, Any]", value), plain, rest)
        if row := _row(plain):
            yield lead + row
        for key, each in rest.items():
            yield from _lines(f"{path}.{key}" if path else key, each)
    else:
        for each in cast("list[Any]", value):
            yield from _lines(path, each)


def _flatten(
    path: str, fields: dict[str, Any], plain: dict[str, Any], rest: dict[str, Any]
) -> None:
    """What fits on one line with the object it belongs to, and lists of objects, which do not."""
    for key, value in fields.items():
        name = f"{path}.{_word(key)}" if path else _word(key)
        if isinstance(value, dict):
            _flatten(name, cast("dict[str, Any]", value), plain, rest)
        else:
            (plain if _is_plain(value) else rest)[name] = value


def _is_plain(value: Any) -> bool:
    """Whether *value* fits on a line: a scalar, or a list of scalars."""
    if isinstance(value, list):
        return all(not isinstance(each, dict | list) for each in cast("list[Any]", value))
    return not isinstance(value, dict)


def _row(fields: dict[str, Any]) -> str:
    return "; ".join(
        f"{_word(key)}: {_word(value)}" for key, value in fields.items() if value not in _NOTHING
    )


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_word(each) for each in cast("list[Any]", value))
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return " ".join(str(value).split())
