"""How far each author's pending ops reach at one replica, kept so that questions about it cost little.

Anybody may ask, and a pool holds thousands of authors. So entries are kept in order, and the digest is made of those of
:data:`BUCKETS` parts, of which a change touches one.
"""

from collections.abc import Iterator

from sortedcontainers import SortedDict

from gossipbook import cbor
from gossipbook.crdt.author_log import AuthorLog, FrontierEntry
from gossipbook.ids import ZERO_DIGEST, Digest, PublicKey, digest

BUCKETS = 256
"""Parts of the digest: authors whose keys begin with one byte."""


class FrontierTable:
    """One entry an author with anything pending, ordered by author."""

    def __init__(self) -> None:
        self._entries: SortedDict[PublicKey, FrontierEntry] = SortedDict()
        self._buckets: SortedDict[int, Digest] = SortedDict()  # of those that are not empty
        self._changed: set[int] = set()
        self._digest: Digest | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def note(self, author: PublicKey, log: AuthorLog | None) -> None:
        """Follow a change of an author's log; None if there is none any more."""
        entry = None if log is None else _entry_of(author, log)
        if entry is None:
            if self._entries.pop(author, None) is None:
                return
        elif self._entries.get(author) == entry:
            return
        else:
            self._entries[author] = entry
        self._changed.add(author[0])
        self._digest = None

    def between(self, after: bytes, until: bytes = b"") -> Iterator[FrontierEntry]:
        """Entries of the authors in (after, until]; ``until`` empty: to the end."""
        for author in self._entries.irange(after, until or None, (False, True)):
            yield self._entries[author]

    def digest(self) -> Digest:
        """Equal for equal entries, and else not."""
        for bucket in self._changed:
            first, beyond = bytes([bucket]), bytes([bucket + 1]) if bucket < 255 else None
            rows = [
                [entry.author, entry.seq, entry.head, entry.forked]
                for entry in map(self._entries.__getitem__, self._entries.irange(first, beyond, (True, False)))
            ]
            if rows:
                self._buckets[bucket] = digest(b"pending", cbor.encode(rows))
            else:
                self._buckets.pop(bucket, None)
        self._changed.clear()
        if self._digest is None:
            self._digest = digest(b"pending", cbor.encode([list(part) for part in self._buckets.items()]))
        return self._digest


def _entry_of(author: PublicKey, log: AuthorLog) -> FrontierEntry | None:
    """An author's entry; a fork and all that descends from it is one."""
    if log.evidence is None and log.main:
        return FrontierEntry(author, log.main[-1].seq + 1, log.main[-1].id, log.forked)
    if not log.forked:
        return None
    return FrontierEntry(author, 0 if log.fork_seq is None else log.fork_seq, ZERO_DIGEST, True)
