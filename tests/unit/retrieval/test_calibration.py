import pytest

from carrel.retrieval.calibration import Evidence, calibration_for

WEAK = Evidence(cosine=0.9, coverage=0.0, named=0.0, held=0.0, words=4)
GOOD = Evidence(cosine=0.5, coverage=0.9, named=1.0, held=60.0, words=4)


def test_an_embedder_never_measured_ignores_its_cosines() -> None:
    unknown = calibration_for("http:some-model:1536")
    assert not unknown.accepts(WEAK)
    assert unknown.accepts(GOOD)
    far = Evidence(cosine=-1.0, coverage=0.9, named=1.0, held=60.0, words=4)
    assert unknown.log_odds(far) == unknown.log_odds(GOOD)


@pytest.mark.parametrize("language", ["english", "german", "spanish"])
def test_the_static_embedder_is_calibrated_by_language(language: str) -> None:
    static = calibration_for("static:wordllama-l2-supercat:256", language)
    assert static != calibration_for("http:x:1", language)
    assert static.accepts(GOOD)
    assert not static.accepts(WEAK)


def test_each_measure_speaks_for_the_answer() -> None:
    static = calibration_for("static:wordllama-l2-supercat:256")
    base = Evidence(cosine=0.3, coverage=0.5, named=0.5, held=30.0, words=4)
    for more in (
        Evidence(0.4, 0.5, 0.5, 30.0, 4),
        Evidence(0.3, 0.6, 0.5, 30.0, 4),
        Evidence(0.3, 0.5, 0.6, 30.0, 4),
        Evidence(0.3, 0.5, 0.5, 40.0, 4),
    ):
        assert static.log_odds(more) > static.log_odds(base)
