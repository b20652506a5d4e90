"""What can go wrong with the shared state, as one condition."""

from carrel.domain.errors import Unavailable


class SharedStateDown(Unavailable):
    """Redis is down, slow, or refuses to work. If *sent*, the command may have taken effect."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__("the shared state does not answer; try again shortly")
        self.reason = reason
        self.sent = sent
