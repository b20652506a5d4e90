"""`carrel demo` with the fake in the server's place: `play.py MODE [ARGUMENTS OF DEMO]`.

With `serve MODE` as its first arguments it is that server: it starts a process
of its own, as the real one does, and writes both process ids into its folder.
"""

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

from tests.unit.cli.fake import FakeCarrel, running

from carrel.cli.app import run
from carrel.cli.demo import server
from carrel.cli.demo.questions import QUESTIONS

ROOT = Path(__file__).parents[4]
MODULE = "tests.unit.cli.demo.play"


def main() -> None:
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[sys.argv.index("--port") + 1]))
        return
    command = serve_command(sys.argv[1])
    server.DemoServer = partial(server.DemoServer, command=command)
    run(["demo", *sys.argv[2:]])


def serve_command(mode: str) -> tuple[str, ...]:
    # The server runs in its data folder, from which this module can't be found.
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {MODULE} import main; main()"
    return (sys.executable, "-c", program, "serve", mode)


def serve(mode: str, port: int) -> None:
    if mode == "dies":
        sys.exit("the disk is on fire")
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    folder = Path(os.environ["CARREL_DATA_DIR"])
    (folder / "pids").write_text(f"{os.getpid()} {grandchild.pid}")
    fake = FakeCarrel(admin_key=os.environ["CARREL_ADMIN_KEY"], leaks=mode == "leaks")
    for asked in QUESTIONS:
        for name, text in (("acme", asked.acme_contains), ("globex", asked.globex_contains)):
            if text is not None:
                fake.answers[name, asked.question] = f"It says {text} here"
    if mode == "confused":
        asked = QUESTIONS[0]
        fake.answers["acme", asked.question] = f"It is {asked.globex_contains}"
    stop = threading.Event()
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with running(fake, port):
        stop.wait()
    # Left running on purpose: the demo is to sweep up what a server leaves behind.


if __name__ == "__main__":
    main()
