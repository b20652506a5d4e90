"""Writes the console's types, `console/src/api/schema.ts`, from the OpenAPI document.

A test holds the file against the document, so a route can't change without the console's
compiler seeing it.

python -m scripts.make_console_types
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "console/src/api/schema.ts"
HEAD = "// Made from the OpenAPI document by `python -m scripts.make_console_types`.\n"
_PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
SUCCESSES = ("200", "201", "202", "204")
Schema = Mapping[str, Any]


def document() -> Schema:
    """The OpenAPI document of the application, without any of its services."""
    from carrel.asgi import create_app
    from carrel.settings import Settings

    return create_app(Settings()).openapi()


def typescript(openapi: Schema) -> str:
    """Each schema as an interface, and `Routes`: each route's query, body and response."""
    schemas = openapi["components"]["schemas"]
    parts = [HEAD, *(_named(name, schemas[name]) for name in sorted(schemas))]
    routes = [
        f"  {json.dumps(f'{method.upper()} {path}')}: {_route(operation)};"
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]
    return "\n".join([*parts, "export interface Routes {", *routes, "}", ""])


def _named(name: str, schema: Schema) -> str:
    if schema.get("type") == "object" and "properties" in schema:
        # What a response leaves out is optional; what a request may leave out, too.
        return f"export interface {name} {_object(schema)}\n"
    return f"export type {name} = {_type(schema)};\n"


def _object(schema: Schema, indent: str = "  ") -> str:
    required = schema.get("required", ())
    fields = [
        f"{indent}{_key(name)}{'' if name in required else '?'}: {_type(each)};"
        for name, each in schema["properties"].items()
    ]
    return "\n".join(["{", *fields, indent[2:] + "}"])


def _type(schema: Schema) -> str:
    kind = schema.get("type")
    if "$ref" in schema:
        said = schema["$ref"].rpartition("/")[2]
    elif "enum" in schema:
        said = _union(json.dumps(value) for value in schema["enum"])
    elif "const" in schema:
        said = json.dumps(schema["const"])
    elif options := schema.get("anyOf") or schema.get("oneOf"):
        said = _union(_type(each) for each in options)
    elif kind == "array":
        item = _type(schema.get("items", {}))
        said = f"({item})[]" if " " in item else f"{item}[]"
    elif kind == "object":
        values = schema.get("additionalProperties")
        said = f"Record<string, {_type(values) if isinstance(values, Mapping) else 'unknown'}>"
    else:
        said = _PLAIN.get(kind or "", "unknown")
    return said


def _route(operation: Schema) -> str:
    query = {
        each["name"]: each for each in operation.get("parameters", ()) if each["in"] == "query"
    }
    said = "".join(
        f"{_key(name)}{'' if each.get('required') else '?'}: {_type(each['schema'])}; "
        for name, each in query.items()
    )
    asked = _json(operation.get("requestBody", {}))
    success = next(operation["responses"][s] for s in SUCCESSES if s in operation["responses"])
    shown = f"{{ {said}}}" if said else "undefined"
    body = _type(asked) if asked else "undefined"
    return f"{{ query: {shown}; body: {body}; response: {_type(_json(success))} }}"


def _json(content: Schema) -> Schema:
    return content.get("content", {}).get("application/json", {}).get("schema", {})


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types))


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(typescript(document()))
