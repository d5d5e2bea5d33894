"""A peer's lines: a stream that is closed, full or frozen costs lines and nothing else."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gossipbook.cli.operate.endpoint import ENDPOINT_FILE, STARTING_FILE, write_endpoint, write_starting
from gossipbook.cli.operate.log_lines import LINES_CAP, JsonFormatter, LineWriter, TextFormatter, log_to

from .support import BINARY, DEADLINE_S, ENVIRONMENT, Network, answer, invoke, until


class Frozen(io.StringIO):
    """Takes no line until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        self.free.wait(DEADLINE_S)
        return super().write(text)


class Broken(io.StringIO):
    """Refuses for as long as it is told to."""

    refuses = True

    def write(self, text: str) -> int:
        if self.refuses:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def test_a_frozen_stream_costs_what_does_not_fit_the_queue() -> None:
    stream = Frozen()
    writer = LineWriter(stream)
    for number in range(LINES_CAP + 100):
        writer.put(f"line {number}")  # would wait for ever, if it waited
    assert 98 <= writer.lost <= 100  # one is with the thread
    stream.free.set()
    until(lambda: stream.getvalue().count("\n") >= LINES_CAP, "what was queued is written")
    writer.put("the last")
    writer.close()
    assert "lines before this one were lost" in stream.getvalue()
    assert stream.getvalue().endswith("the last\n")


def test_a_gone_reader_costs_lines_which_are_told_when_there_is_one_again() -> None:
    stream = Broken()
    writer = LineWriter(stream)
    for number in range(5):
        writer.put(f"line {number}")
    until(lambda: writer.lost == 5, "all are lost")
    stream.refuses = False
    writer.put("here again")
    writer.close()
    assert stream.getvalue() == "5 lines before this one were lost\nhere again\n"


def test_a_closed_stream_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    writer = LineWriter(stream)
    writer.put("nowhere")
    writer.close()
    assert writer.lost == 1


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], root.level, logging.raiseExceptions = before
    logging.getLogger("gossipbook").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("logging_as_it_was")
def test_lines_have_time_level_and_pair() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    log_to(writer, "info", "json")
    log = logging.getLogger("gossipbook.peer")
    log.debug("not said")
    log.info("quorum regained", extra={"pair": "BTC-USD"})
    try:
        raise ValueError("a\x1b[31mfault")
    except ValueError:
        log.exception("it %s", "failed")
    logging.getLogger("a.library").info("not said either")
    writer.close()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["pair"], first["message"]) == ("info", "BTC-USD", "quorum regained")
    assert first["time"].endswith("Z")
    assert "ValueError" in second["traceback"]
    theirs = logging.LogRecord("trio", logging.ERROR, "", 0, "accept failed", (), (ValueError, ValueError("x"), None))
    assert "Traceback" not in TextFormatter().format(theirs) + JsonFormatter().format(theirs)
    record = logging.LogRecord("x", logging.WARNING, "", 0, "slow", (), None)
    record.pair = "A-B"
    assert TextFormatter().format(record).split(" ", 1)[1] == "warning A-B slow"
    assert json.loads(JsonFormatter().format(record))["pair"] == "A-B"


def test_a_peer_whose_readers_are_gone_goes_on(tmp_path: Path) -> None:
    """Standard output and standard error lead into pipes that nobody reads any more."""
    network = Network(tmp_path / "net", 1, ["A-B"])
    home = network.home(1)
    read, write = os.pipe()
    process = subprocess.Popen([*BINARY, "start", str(home)], stdout=write, stderr=write, env=ENVIRONMENT)
    os.close(write)
    try:
        assert os.read(read, 1)
        os.close(read)
        until(lambda: (home / "data" / "endpoint.json").exists(), "the peer is ready")
        key = tmp_path / "a.key"
        invoke("keys", "new", key)
        for number in (1, 2):
            placed = answer("order", "place", "A-B", "buy", 1, 1, "--key", key, "--home", home)
            assert (placed["level"], placed["client_id"]) == ("certified", number)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()


def test_a_start_that_is_stopped_at_once_ends_in_one_line(tmp_path: Path) -> None:
    """Wherever in its start the signal finds it; what is not set up yet when it comes early is Python itself."""
    network = Network(tmp_path / "net", 1, ["A-B"])
    home = network.home(1)
    for _ in range(3):
        with subprocess.Popen(
            [*BINARY, "start", str(home)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        ) as process:
            lock = home / "LOCK"
            until(lambda lock=lock, pid=process.pid: lock.exists() and lock.read_text() == f"{pid}\n", "it has begun")
            process.send_signal(signal.SIGTERM)
            try:
                _, errors = process.communicate(timeout=DEADLINE_S)
            finally:
                process.kill()  # Else a peer that does not end would be waited for, for ever.
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


def test_a_start_says_how_far_it_is(tmp_path: Path) -> None:
    network = Network(tmp_path / "net", 1, ["A-B"])
    home = network.home(1)
    (home / "data").mkdir()
    write_endpoint(home, {"pid": os.getpid(), "listen": "ws://127.0.0.1:1"})
    write_starting(home, 1_200, 5_000)
    assert not (home / "data" / ENDPOINT_FILE).exists(), "whoever waits for that waits until the peer is ready"
    said = invoke("status", "--home", home, code=4).stderr
    assert "is starting, at block 1,200 of 5,000" in said
    (home / "data" / STARTING_FILE).write_text(json.dumps({"pid": 2**22 + 1, "block": 1_200, "blocks": 5_000}))
    assert "has no running peer" in invoke("status", "--home", home, code=4).stderr


def test_a_line_that_is_still_being_written_at_the_end_does_not_change_it() -> None:
    """The stream holds the start of a line when the program ends, and nobody reads: Python's last flush fails."""
    code = (
        "import sys, time\n"
        "from gossipbook.cli.operate import log_lines\n"
        "log_lines.CLOSE_S = 0.1\n"
        "class Slow:\n"
        "    def write(self, text): sys.stdout.write(text); time.sleep(60)\n"
        "    def flush(self): sys.stdout.flush()\n"
        "    def fileno(self): return sys.stdout.fileno()\n"
        "sys.stdin.read()\n"
        "writer = log_lines.LineWriter(Slow())\n"
        "writer.put('a line')\n"
        "writer.close()\n"
    )
    read, write = os.pipe()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=write) as process:
        os.close(write)
        os.close(read)
        process.communicate(b"")
        assert process.returncode == 0
