"""The command line: a client of the HTTP API, and the commands that start and inspect a server.

Command modules import only what `--help` needs; aiohttp and rich are loaded by
the command that runs.
"""


def main() -> None:
    """Run the `carrel` command; the process ends with its exit status."""
    from carrel.cli.app import run

    run()
