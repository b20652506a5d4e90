import pytest
from bench.simulator.behaviour import DIRECTIVES, Behaviour, UnknownDirective


def test_a_model_of_another_name_changes_nothing() -> None:
    plain = Behaviour(tokens=7)
    assert plain.for_model("gpt-4o-mini") is plain
    assert plain.for_model("sim") is plain


def test_directives_are_read_from_the_models_name() -> None:
    behaviour = Behaviour().for_model("sim-tokens-50-ttft-0-tps-1000-no-usage-stall-after-5-seed-3")
    assert behaviour == Behaviour(
        tokens=50, ttft_ms=0, tokens_per_second=1000, usage=False, stall_after=5, seed=3
    )


@pytest.mark.parametrize(
    ("model", "status"), [("sim-429-retry-after-9", 429), ("sim-error-503", 503)]
)
def test_a_status_can_be_asked_for(model: str, status: int) -> None:
    assert Behaviour().for_model(model).status == status


def test_an_error_status_and_an_error_in_the_stream_are_told_apart() -> None:
    behaviour = Behaviour().for_model("sim-error-after-12")
    assert (behaviour.status, behaviour.error_after) == (200, 12)


@pytest.mark.parametrize("model", ["sim-bogus", "sim-tokens-", "sim-tokens-5x", "sim-tokens-5-"])
def test_what_is_no_directive_is_refused_with_those_that_are(model: str) -> None:
    with pytest.raises(UnknownDirective, match="tokens-N"):
        Behaviour().for_model(model)


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_every_documented_directive_is_understood(directive: str) -> None:
    model = "sim-" + directive.replace("STATUS", "500").replace("N", "5")
    assert Behaviour().for_model(model) != Behaviour()


def test_no_tokens_per_second_means_no_pause() -> None:
    assert Behaviour(tokens_per_second=0).interval_seconds == 0
    assert Behaviour(tokens_per_second=50).interval_seconds == 0.02
