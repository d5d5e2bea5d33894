"""Where a running peer's lines go: a bounded queue and a thread that writes, so that no line can stop the peer.

A terminal that is closed or frozen, a full disk and a pipe without a reader cost lines, which are counted and, once
lines can be written again, told of.
"""

import json
import logging
import os
import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import IO, Any

LINES_CAP = 4_096
"""Lines that wait to be written; what comes while they do is lost."""
CLOSE_S = 1.0
"""How long the end of the program waits for lines to be written."""
LEVELS = ("debug", "info", "warning", "error")


class LineWriter:
    """One stream's lines, written by a thread of its own."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_CAP)
        self.lost = 0  # never written
        self._untold = 0  # of those, since it was last said
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Have a line written; never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lose()

    def close(self) -> None:
        """Let what waits be written, for as long as that takes less than ``CLOSE_S``; what is left goes nowhere."""
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            pass  # Nobody takes lines: nothing is gained by waiting.
        else:
            self._thread.join(CLOSE_S)
        with suppress(OSError, ValueError):
            if not self._thread.is_alive():
                self._stream.flush()
                return
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())  # Python's own last flush must not change the exit code.

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            told = self._untold
            if told:
                line = f"{told} lines before this one were lost\n{line}"
            self._write(line, told)

    def _write(self, line: str, told: int) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
            self._untold -= told  # More may be lost while a stream takes a line slowly.
        except (OSError, ValueError):  # ValueError: the stream was closed.
            self._lose()

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1


class LineHandler(logging.Handler):
    """Hands formatted records to a writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.put(self.format(record))


class TextFormatter(logging.Formatter):
    """``2026-11-28T07:45:51.123Z info BTC-USD quorum regained``"""

    def format(self, record: logging.LogRecord) -> str:
        pair = getattr(record, "pair", "")
        line = f"{time_of(record)} {record.levelname.lower()} {f'{pair} ' if pair else ''}{record.getMessage()}"
        return line + (f"\n{self.formatException(record.exc_info)}" if record.exc_info and is_ours(record) else "")


class JsonFormatter(logging.Formatter):
    """One object a line: ``time``, ``level``, ``logger``, ``pair`` (or null), ``message``, and ``traceback`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, Any] = {
            "time": time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pair": getattr(record, "pair", None),
            "message": record.getMessage(),
        }
        if record.exc_info and is_ours(record):
            row["traceback"] = self.formatException(record.exc_info)
        return json.dumps(row)


FORMATTERS: Mapping[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


def is_ours(record: logging.LogRecord) -> bool:
    """Whether this program logged it: a library's line, such as that no file descriptor is free, says enough."""
    return record.name.split(".")[0] == "gossipbook"


def time_of(record: logging.LogRecord) -> str:
    """A record's time, UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(record.msecs):03d}Z"


def log_to(writer: LineWriter, level: str, form: str) -> None:
    """Send everything that this program and its libraries log to a writer, and nowhere else."""
    handler = LineHandler(writer)
    handler.setFormatter(FORMATTERS[form]())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gossipbook").setLevel(level.upper())
    logging.raiseExceptions = False
