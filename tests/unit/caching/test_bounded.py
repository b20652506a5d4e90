"""A dictionary of so many bytes."""

from carrel.caching.bounded import Bounded


def test_the_longest_unused_makes_room():
    held: Bounded[str, str] = Bounded(30, what="test")
    for key in "abc":
        held.put(key, key.upper(), 10)
    assert held.get("a") == "A"
    held.put("d", "D", 10)
    assert held.keys == ["c", "a", "d"]
    held.put("e", "E", 21)
    assert held.keys == ["e"]


def test_what_is_replaced_gives_its_room_back():
    held: Bounded[str, str] = Bounded(30, what="test")
    for _ in range(10):
        held.put("a", "A", 30)
    held.put("a", "A", 10)
    held.put("b", "B", 20)
    assert held.keys == ["a", "b"]


def test_what_is_too_large_is_not_held_and_takes_nothing_elses_room():
    held: Bounded[str, str] = Bounded(30, what="test")
    held.put("a", "A", 10)
    held.put("b", "B", 31)
    assert held.keys == ["a"]
    assert held.get("b") is None


def test_whatever_leaves_is_said():
    left: list[tuple[str, str]] = []
    held: Bounded[str, str] = Bounded(20, what="test", dropped=lambda k, v: left.append((k, v)))
    held.put("a", "A", 10)
    held.put("a", "A2", 10)
    held.put("b", "B", 15)
    held.remove("b")
    held.remove("b")
    assert left == [("a", "A"), ("a", "A2"), ("b", "B")]
