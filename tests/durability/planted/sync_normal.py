"""A peer with a planted bug: its journal does not sync at a commit, only at checkpoints."""

from gossipbook.cli import main
from gossipbook.storage.sqlite import SqliteJournal

SqliteJournal.synchronous = "NORMAL"
main()
