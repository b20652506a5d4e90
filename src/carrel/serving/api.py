"""The process that answers HTTP: `python -m carrel.serving.api FD`, on an inherited socket."""

import asyncio
import socket
import sys

import uvicorn

from carrel.asgi import create_app
from carrel.domain.errors import CarrelError
from carrel.resources import check_embedder, check_vectors
from carrel.serving.admin_key import announce_first_admin_key
from carrel.serving.lifeline import INVALID_SETTINGS, on_parent_death
from carrel.serving.memory import settle
from carrel.settings import SettingsError, load_settings
from carrel.telemetry.log import configure_logging

GRACE_SECONDS = 10
KEEP_ALIVE_SECONDS = 75  # longer than the idle time of common load balancers


class Server(uvicorn.Server):
    """A server that settles its memory once the application has started."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()


def main() -> int:
    """Serve until SIGTERM or until the supervisor dies; the exit status."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"carrel: {error}\n")
        return INVALID_SETTINGS
    config = uvicorn.Config(
        create_app(settings),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(config)
    configure_logging(settings.log.level, settings.log.format)
    listening = socket.socket(fileno=int(sys.argv[1]))

    async def serve() -> None:
        on_parent_death(lambda: setattr(server, "should_exit", True))
        await check_embedder(settings)
        await check_vectors(settings)
        await announce_first_admin_key(settings)
        await server.serve(sockets=[listening])

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(serve())
        except CarrelError as error:  # raised before the server starts: it says what to change
            sys.stderr.write(f"carrel: {error.message}\n")
            return INVALID_SETTINGS if error.code == "internal_error" else 1
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
