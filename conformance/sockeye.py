"""Starts the programs under test, tells where they listen, and ends them."""

import os
import re
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

WORK = os.environ.get("CONFORMANCE_WORK", str(Path(__file__).resolve().parent / ".work"))
START_SECONDS = 30
STOP_SECONDS = 10


@contextmanager
def echo(*arguments):
    """`sockeye echo` on a free port; yields its URL."""
    command = [os.environ["SOCKEYE_BIN"], "echo", "--listen", "127.0.0.1:0", *arguments]
    with listening(command) as url:
        yield url


@contextmanager
def listening(command, stdout=None):
    """A program that prints `listening on URL` on standard error; yields the URL, without a slash at its end."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True)
    lines = Queue()
    reader = threading.Thread(target=read_lines, args=(process.stderr, lines), daemon=True)
    reader.start()
    try:
        yield wait_for_url(lines)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            reader.join()
            process.stderr.close()


def read_lines(stream, lines):
    for line in stream:
        lines.put(line)
    lines.put(None)


def wait_for_url(lines):
    """The URL in the first line that names one; what came before it is the error if none does."""
    seen = []
    while True:
        try:
            line = lines.get(timeout=START_SECONDS)
        except Empty:
            line = None
        if line is None:
            raise RuntimeError(f"the server does not say where it listens; it said: {seen}")
        if found := re.search(r"listening on (wss?://\S+?)/?\s*$", line):
            return found.group(1)
        seen.append(line)
