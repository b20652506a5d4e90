"""What a measurement is: figures, and the goals that they are held against.

A missed goal is a result, not an error: whoever reads the table decides.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `note` says what stands behind it: samples, or the parts of a sum."""

    name: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class AtMost:
    """A goal that smaller values meet."""

    bound: float

    def met(self, value: float) -> bool:
        return value <= self.bound


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A goal that larger values meet."""

    bound: float

    def met(self, value: float) -> bool:
        return value >= self.bound


Goal = AtMost | AtLeast


@dataclass(frozen=True, slots=True)
class Run:
    """What a measurement is given: an empty *folder* of its own, and how thorough to be.

    `say` shows one line of progress.
    """

    folder: Path
    quick: bool
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """A measurement by name; `goals` are by the figure's name."""

    name: str
    what: str
    measure: Callable[[Run], Awaitable[list[Figure]]]
    goals: Mapping[str, Goal] = field(default_factory=dict[str, Goal])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bench came to; with an `error`, it did not come to its end."""

    bench: Bench
    figures: list[Figure]
    seconds: float
    error: str = ""

    def goal(self, figure: Figure) -> Goal | None:
        return self.bench.goals.get(figure.name)

    @property
    def missed(self) -> list[Figure]:
        """The figures that do not meet their goals."""
        return [f for f in self.figures if (goal := self.goal(f)) and not goal.met(f.value)]

    @property
    def unmeasured(self) -> list[str]:
        """Goals for which there is no figure."""
        return sorted(self.bench.goals.keys() - {figure.name for figure in self.figures})
