import json
import logging
import sys

from carrel.telemetry.log import JsonFormatter, TextFormatter

SECRET = "the text of a document"


def record() -> logging.LogRecord:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(f"cannot read {SECRET}") from error
    except ValueError:
        return logging.LogRecord(
            "carrel.x", logging.ERROR, __file__, 1, "it failed", None, sys.exc_info()
        )


def test_an_exception_is_logged_by_type_and_place_without_its_words():
    for line in (JsonFormatter().format(record()), TextFormatter().format(record())):
        assert SECRET not in line
        assert "builtins.ValueError" in line
        assert "builtins.KeyError" in line
        assert "test_log.py" in line


def test_a_json_line_holds_the_fields_given():
    made = logging.LogRecord("carrel.x", logging.INFO, __file__, 1, "request", None, None)
    made.carrel = {"status": 200}
    line = json.loads(JsonFormatter().format(made))
    assert (line["message"], line["status"], line["level"]) == ("request", 200, "info")


def test_the_errno_of_an_os_error_is_told_and_its_path_is_not():
    path = "/secret/name.pdf"
    try:
        raise FileNotFoundError(2, "No such file", path)
    except OSError:
        made = logging.LogRecord("x", logging.ERROR, __file__, 1, "m", None, sys.exc_info())
    line = TextFormatter().format(made)
    assert "FileNotFoundError [errno 2]" in line
    assert "name.pdf" not in line
