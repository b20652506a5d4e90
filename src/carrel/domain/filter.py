"""The filter over document metadata: `{"field": value | [values] | {"gte": …, "lte": …}}`.

A filter narrows what a tenant's own search returns. It is parsed here into
three conditions, so no JSON of a client ever reaches a vector store.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from carrel.domain.document import Metadata, Scalar
from carrel.domain.errors import InvalidRequest

MAX_FIELDS = 32
MAX_VALUES = 256
MAX_STRING = 1024
MAX_GROUPS = 32
MAX_GROUP = 200
MAX_NUMBER = 2**53  # what JSON readers agree on
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """The field holds a number within these bounds, both included."""

    field: str
    gte: float | None
    lte: float | None


@dataclass(frozen=True, slots=True)
class During:
    """The field holds a date or time within these bounds, both included."""

    field: str
    gte: datetime | None
    lte: datetime | None


Condition = AnyOf | Between | During
Filter = tuple[Condition, ...]


def parse_filter(raw: Mapping[str, object] | None) -> Filter:
    """The conditions of *raw*, all of which must hold; empty for no filter.

    Raises:
        InvalidRequest: not of the filter's grammar; `param` names the field.
    """
    if not raw:
        return ()
    if len(raw) > MAX_FIELDS:
        raise InvalidRequest(f"a filter takes at most {MAX_FIELDS} fields", param="filter")
    return tuple(_condition(field, value) for field, value in raw.items())


def parse_metadata(raw: object) -> Metadata:
    """Metadata that a filter can reach: flat, with scalars or lists of scalars.

    Raises:
        InvalidRequest: nested, too large, or a field name outside `[A-Za-z0-9_-]`.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InvalidRequest("metadata must be a JSON object", param="metadata")
    fields = cast("dict[str, object]", raw)
    if len(fields) > MAX_FIELDS:
        raise InvalidRequest(f"metadata takes at most {MAX_FIELDS} fields", param="metadata")
    return {
        _field(name, "metadata"): _metadata_value(name, value) for name, value in fields.items()
    }


def parse_groups(raw: object) -> tuple[str, ...]:
    """Names of groups, each once, sorted.

    Raises:
        InvalidRequest: not a list of names of 1 to 200 characters, or too many.
    """
    if raw is None:
        return ()
    names = cast("list[object]", raw) if isinstance(raw, list) else [None]
    if len(names) > MAX_GROUPS:
        raise InvalidRequest(f"a document has at most {MAX_GROUPS} groups", param="groups")
    groups = {name for name in names if isinstance(name, str) and 0 < len(name) <= MAX_GROUP}
    if len(groups) != len(set(map(str, names))) or not all(map(is_text, groups)):
        raise InvalidRequest(
            f"groups is a list of names of 1 to {MAX_GROUP} characters", param="groups"
        )
    return tuple(sorted(groups))


def fact(field: str, value: Scalar) -> str:
    """One metadata value as a keyword: `field`, its type and the value. 1 and 1.0 are the same."""
    if isinstance(value, bool):
        return f"{field}=b:{str(value).lower()}"
    if isinstance(value, int | float):
        return f"{field}=n:{float(value)!r}"
    return f"{field}=s:{value}"


def facts(metadata: Metadata) -> list[str]:
    """Every value of *metadata* as a keyword, so that one index serves all equality conditions."""
    found: list[str] = []
    for field, value in metadata.items():
        if isinstance(value, str | int | float | bool):
            found.append(fact(field, value))
        else:
            found.extend(fact(field, item) for item in value)
    return found


def _condition(field: str, value: object) -> Condition:
    name = _field(field, "filter")
    param = f"filter.{name}"
    if isinstance(value, dict):
        return _range(name, cast("dict[str, object]", value), param)
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    if not items:
        raise InvalidRequest("a list of values must not be empty", param=param)
    if len(items) > MAX_VALUES:
        raise InvalidRequest(f"a list takes at most {MAX_VALUES} values", param=param)
    return AnyOf(name, tuple(_scalar(item, param) for item in items))


def _range(field: str, bounds: Mapping[str, object], param: str) -> Between | During:
    if not bounds or not set(bounds) <= {"gte", "lte"}:
        raise InvalidRequest('a range takes "gte", "lte" or both', param=param)
    low, high = bounds.get("gte"), bounds.get("lte")
    given = [bound for bound in (low, high) if bound is not None]
    if given and all(isinstance(b, int | float) and not isinstance(b, bool) for b in given):
        for bound in given:
            _number(cast("float", bound), param)
        return Between(field, cast("float | None", low), cast("float | None", high))
    if given and all(isinstance(b, str) for b in given):
        return During(
            field,
            _moment(cast("str | None", low), param),
            _moment(cast("str | None", high), param),
        )
    raise InvalidRequest("a range's bounds are numbers, or dates in ISO 8601", param=param)


def _moment(text: str | None, param: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"not a date in ISO 8601: {text[:40]!r}", param=param) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_text(value: str) -> bool:
    """Whether *value* can be stored everywhere: no NUL, no half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a pair
        return False
    return "\0" not in value


def _number(value: float, param: str) -> float:
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise InvalidRequest(f"a number lies within ±{MAX_NUMBER}", param=param)
    return value


def _field(name: str, param: str) -> str:
    if not _FIELD.fullmatch(name):
        raise InvalidRequest(
            "a field name has 1 to 64 letters, digits, '_' or '-'", param=f"{param}.{name[:64]}"
        )
    return name


def _metadata_value(name: str, value: object) -> Scalar | Sequence[Scalar]:
    param = f"metadata.{name}"
    if isinstance(value, list):
        items = cast("list[object]", value)
        if len(items) > MAX_VALUES:
            raise InvalidRequest(f"a list takes at most {MAX_VALUES} values", param=param)
        return [_scalar(item, param) for item in items]
    return _scalar(value, param)


def _scalar(value: object, param: str) -> Scalar:
    if isinstance(value, str) and is_text(value):
        if len(value) > MAX_STRING:
            raise InvalidRequest(f"a value has at most {MAX_STRING} characters", param=param)
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value, param)
    raise InvalidRequest("a value is a string, a number or a boolean", param=param)
