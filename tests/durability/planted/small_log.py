"""A peer whose write-ahead log starts over after every few pages, so that a short run sees it happen."""

import sqlite3
from pathlib import Path

from gossipbook.cli import main
from gossipbook.storage import sqlite as journal

_connect = journal._connect


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = _connect(path, synchronous)
    connection.execute("PRAGMA wal_autocheckpoint = 24")
    return connection


journal._connect = connect
main()
