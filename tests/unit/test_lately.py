from carrel.lately import LATELY_SECONDS, Lately


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_was_worked_out_is_not_again_until_a_while_has_passed() -> None:
    clock, made = Clock(), list[str]()
    lately: Lately[str, str] = Lately(clock=clock)

    def of(key: str) -> str:
        return lately.of(key, lambda: made.append(key) or key.upper())

    assert [of("a"), of("a"), of("b")] == ["A", "A", "B"]
    assert made == ["a", "b"]
    clock.now += LATELY_SECONDS + 0.1
    assert of("a") == "A"
    assert (made, len(lately)) == (["a", "b", "a"], 1)


def test_it_is_bounded() -> None:
    lately: Lately[int, int] = Lately(20, Clock())
    for number in range(200):
        assert lately.of(number, lambda: number) == number  # noqa: B023 - called at once
        assert len(lately) <= 20
