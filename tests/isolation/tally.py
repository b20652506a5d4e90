"""Figures that a run prints when it ends: what was attacked, how often, and what came through.

Tests note figures with `record_property(TALLY, text)`, which also reaches the summary from the
processes of a parallel run.
"""

import pytest

TALLY = "isolation"
_PRINTED = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.config.stash.get(_PRINTED, False):
        return
    terminalreporter.config.stash[_PRINTED] = True
    lines = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == TALLY
    ]
    if lines:
        terminalreporter.section("isolation")
        for line in lines:
            terminalreporter.write_line(line)
