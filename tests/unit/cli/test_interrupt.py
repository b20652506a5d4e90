"""Ctrl-C, which ends a command at once, with status 130 and no traceback."""

import os
import signal
import subprocess
import sys


def test_an_interrupted_upload_says_what_it_leaves_behind(fake, tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("text")
    fake.polls_before_ready = 10**9
    key = fake.tenant_of("acme")
    with subprocess.Popen(
        [sys.executable, "-m", "carrel", "ingest", tmp_path, "--url", fake.url, "--key", key],
        env={name: value for name, value in os.environ.items() if not name.startswith("CARREL_")},
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert fake.third_poll.wait(30)
        command.send_signal(signal.SIGINT)
        _, err = command.communicate(timeout=30)
    assert command.returncode == 130
    assert err == (
        "Stopped: 3 of 3 files had been uploaded, and the server goes on with those."
        " The same command continues.\n"
    )
