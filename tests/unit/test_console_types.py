from scripts.make_console_types import TARGET, document, typescript


def test_the_consoles_types_are_those_of_the_openapi_document() -> None:
    assert TARGET.read_text() == typescript(document()), "run: python -m scripts.make_console_types"
