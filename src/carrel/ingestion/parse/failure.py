"""The one way in which a document fails to be read."""


class ParseFailed(Exception):
    """The document cannot be read, today or tomorrow; `reason` says why, for people.

    It names nothing of the server: the reason is shown to whoever uploaded the document.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
