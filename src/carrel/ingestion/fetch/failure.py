"""The two ways in which a URL is not fetched."""

from carrel.domain.errors import CarrelError


class FetchRefused(Exception):
    """It is not fetched, today or tomorrow; `reason` says why, for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FetchFailed(CarrelError):
    """It did not work this time; another time it may."""
