import os

import pytest

from gossipbook.storage.sqlite import SqliteJournal


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here does not depend on syncs, which only cost time; ``tests/durability`` sees to those."""
    monkeypatch.setattr(SqliteJournal, "synchronous", "OFF")
    monkeypatch.setattr(os, "fsync", lambda _: None)
