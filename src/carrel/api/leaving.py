"""How far this process is on its way out: what is served until then, and what is said at the end.

Whoever stops the process marks each step here; the last one cancels the requests that
are still open, and those who then find `cut` set say why before they end.
"""

from starlette.types import Scope

from carrel.domain.errors import Unavailable


class Leaving:
    """The state of one process.

    `announced`: it is to get no new work, and says so at `/readyz`. `cut`: its time is up,
    and what is still open ends with an error that says how to go on.
    """

    def __init__(self) -> None:
        self.announced = False
        self.cut = False


def is_cut(scope: Scope) -> bool:
    """Whether a request was cancelled because its process has no more time."""
    app = scope.get("app")
    return app is not None and app.state.leaving.cut


def stopping(advice: str) -> Unavailable:
    """What they are told whose request is cut; *advice*: how to have the rest."""
    return Unavailable(f"this server is stopping: {advice}")
