"""The process that answers HTTP: `python -m carrel.serving.api FD [TABLE PLACE PROCESSES]`.

FD is the listening socket, inherited; TABLE and PLACE are of `balance`, and PROCESSES is how
many there are.
"""

import asyncio
import socket
import sys

import uvicorn

from carrel.asgi import create_app
from carrel.domain.errors import CarrelError
from carrel.resources.vectors import check_embedder, check_vectors
from carrel.serving.admin_key import announce_first_admin_key
from carrel.serving.lifeline import INVALID_SETTINGS, on_parent_death
from carrel.serving.neighbours import check_neighbours
from carrel.serving.server import Server
from carrel.settings import Settings, SettingsError, load_settings
from carrel.telemetry.log import configure_logging

KEEP_ALIVE_SECONDS = 75  # longer than the idle time of common load balancers


def main() -> int:
    """Serve until SIGTERM or until the supervisor dies; the exit status."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"carrel: {error}\n")
        return INVALID_SETTINGS
    table, place, processes = (int(word) for word in sys.argv[2:5] or (-1, 0, 1))
    app = create_app(settings, processes=processes)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    server = Server(
        config,
        app.state.leaving,
        place=(table, place) if table >= 0 else None,
        notice_seconds=settings.drain.notice_seconds,
        grace_seconds=settings.drain.grace_seconds,
    )
    configure_logging(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        try:
            runner.run(_serve(server, settings))
        except CarrelError as error:  # raised before the server starts: it says what to change
            sys.stderr.write(f"carrel: {error.message}\n")
            return INVALID_SETTINGS if error.code == "internal_error" else 1
    return 0 if server.started else 1


async def _serve(server: Server, settings: Settings) -> None:
    on_parent_death(server.abandon)
    await check_neighbours(settings)
    await check_embedder(settings)
    await check_vectors(settings)
    await announce_first_admin_key(settings)
    await server.serve(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    sys.exit(main())
