import pytest

from carrel.cli.demo.verdict import fault
from carrel.cli.wire import Answer, Cache, Citation, Source, Usage


def answer(text: str, *, document: str = "acme/a.md", found: bool = True) -> Answer:
    return Answer(
        id="ans_1",
        answer=text,
        model="extractive",
        finish_reason="stop" if found else "no_evidence",
        citations=[Citation(1, "c", document, "A")] if found else [],
        sources=[Source("c", document, "A", text, 0.5)] if found else [],
        cache=Cache(),
        usage=Usage(),
    )


def judge(given: Answer, own: str | None, other: str | None) -> str | None:
    return fault(given, own=own, other=other, foreign=frozenset({"globex/b.md"}))


def test_its_own_text_whatever_its_case_and_spaces_holds():
    assert judge(answer("Within 30\u00a0DAYS [1]."), "30 days", "14 days") is None


def test_the_other_tenants_text_does_not_hold():
    assert "other tenant" in str(judge(answer("30 days, or 14 days [1]."), "30 days", "14 days"))


def test_the_other_tenants_text_within_its_own_holds():
    assert judge(answer("After 130 days [1]."), "130 days", "30 days") is None


def test_a_missing_text_does_not_hold():
    assert judge(answer("It depends [1]."), "30 days", None) == "“30 days” is missing"


def test_a_source_of_the_other_tenant_does_not_hold():
    assert judge(answer("30 days [1].", document="globex/b.md"), "30 days", None)


def test_an_answer_without_citations_does_not_hold():
    assert judge(answer("30 days.", found=False), "30 days", None) == "it cites nothing"


@pytest.mark.parametrize(("found", "holds"), [(False, True), (True, False)])
def test_where_nothing_is_known_only_saying_so_holds(found, holds):
    assert (judge(answer("Perhaps.", found=found), None, "14 days") is None) is holds
