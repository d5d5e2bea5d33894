"""The records one node holds for others: several per key, one per signer, bounded, newest first wins.

Records of one signer under one key are totally ordered by (sequence, bytes) and only the greatest is kept,
so the table's content does not depend on the order of arrival. An entry outlives its record until every
record it ever replaced has expired: a withdrawn or superseded record cannot be played back before. Times are in
seconds of one clock, whichever; a record is good from when it comes for as long as it lasts.

Flooding. Keys cost nothing, so a table that takes everybody can be filled by anybody. The manifest's
matchers therefore have room of their own, an equal share each, that nobody else can use. All other signers
share a smaller room, first come, first kept: a stranger's flood keeps other strangers out, never a matcher,
and evicting for newcomers would only let the flood evict as well.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import Enum

from sortedcontainers import SortedSet

from gossipbook.dht.records import RECORD_BYTES_CAP, ProviderRecord
from gossipbook.ids import PeerId, PublicKey

STRANGERS_PER_KEY_CAP = 32  # A guess: followers of a pair worth naming besides its matchers.
STRANGER_RECORDS_CAP = 4_096  # At most 768 bytes each: 3 MiB.
MATCHER_RECORDS_CAP = 16_384  # 12 MiB, split evenly over the matchers.
MIN_RECORDS_PER_MATCHER = 16  # With the most matchers of a manifest (1,024) this is their even share.
BYTES_HEAD = 3  # CBOR's head of a byte string of up to 65,535 bytes.


class Stored(Enum):
    """What became of a record. Only the first two mean that the table now knows it."""

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"
    KEY_FULL = "key-full"
    NODE_FULL = "node-full"
    SIGNER_FULL = "signer-full"
    NOT_ALLOWED = "not-allowed"

    @property
    def taken(self) -> bool:
        return self in (Stored.NEW, Stored.DUPLICATE)


@dataclass(frozen=True, slots=True)
class TableLimits:
    """Caps of a :class:`ProviderTable`, in records."""

    strangers_per_key: int = STRANGERS_PER_KEY_CAP
    stranger_records: int = STRANGER_RECORDS_CAP
    matcher_records: int = MATCHER_RECORDS_CAP


@dataclass(frozen=True, slots=True)
class _Entry:
    record: ProviderRecord
    raw: bytes
    good_until: float
    keep_until: float


def anybody(_: PublicKey) -> bool:
    """The open admission: every signer may use the strangers' room."""
    return True


class ProviderTable:
    """Verified records by key and signer. Give it only what ``open_record`` took.

    ``allowed`` decides which signers beside the matchers may store anything at all.
    """

    def __init__(
        self,
        limits: TableLimits | None = None,
        *,
        matchers: Collection[PublicKey] = (),
        allowed: Callable[[PublicKey], bool] = anybody,
    ) -> None:
        self._limits = limits or TableLimits()
        self._matchers = frozenset(matchers)
        self._allowed = allowed
        self._share = max(MIN_RECORDS_PER_MATCHER, self._limits.matcher_records // max(1, len(self._matchers)))
        self._keys: dict[PeerId, dict[PublicKey, _Entry]] = {}
        self._by_end: SortedSet[tuple[float, PeerId, PublicKey]] = SortedSet()
        self._per_matcher: dict[PublicKey, int] = {}
        self._strangers_by_key: dict[PeerId, int] = {}
        self._strangers = 0

    def __len__(self) -> int:
        """Entries held, withdrawn and superseded-but-remembered ones included."""
        return len(self._by_end)

    def judge(self, record: ProviderRecord, raw: bytes, now: float) -> Stored:
        """What :meth:`put` would answer. Asked before paying for the signature."""
        self.purge(now)
        held = self._keys.get(record.key, {}).get(record.public_key)
        if held is not None:
            return self._against(held, record, raw)
        if record.public_key in self._matchers:
            full = self._per_matcher.get(record.public_key, 0) >= self._share
            return Stored.SIGNER_FULL if full else Stored.NEW
        if not self._allowed(record.public_key):
            return Stored.NOT_ALLOWED
        if self._strangers_by_key.get(record.key, 0) >= self._limits.strangers_per_key:
            return Stored.KEY_FULL
        return Stored.NODE_FULL if self._strangers >= self._limits.stranger_records else Stored.NEW

    def put(self, record: ProviderRecord, raw: bytes, now: float) -> Stored:
        """Take a verified record, unless a newer one of its signer is known or there is no room."""
        outcome = self.judge(record, raw, now)
        if outcome is not Stored.NEW:
            return outcome
        signers = self._keys.setdefault(record.key, {})
        held = signers.get(record.public_key)
        good_until = keep_until = now + record.lasts_ms / 1_000
        if held is None:
            self._count(record.key, record.public_key, 1)
        else:
            keep_until = max(keep_until, held.keep_until)
            self._by_end.discard((held.keep_until, record.key, record.public_key))
        signers[record.public_key] = _Entry(record, raw, good_until, keep_until)
        self._by_end.add((keep_until, record.key, record.public_key))
        return Stored.NEW

    def purge(self, now: float) -> int:
        """Forget what can no longer be played back; returns how many entries went."""
        gone = 0
        while self._by_end and self._by_end[0][0] <= now:
            _, key, public_key = self._by_end.pop(0)
            signers = self._keys[key]
            del signers[public_key]
            if not signers:
                del self._keys[key]
            self._count(key, public_key, -1)
            gone += 1
        return gone

    def records(self, key: PeerId, now: float) -> list[tuple[ProviderRecord, bytes]]:
        """The key's unexpired records with their bytes, withdrawals included (a reader must hear of those).

        Matchers come first, so that a reader who stops early has missed only strangers.
        """
        entries = [e for e in self._keys.get(key, {}).values() if e.good_until > now]
        entries.sort(key=lambda e: (e.record.public_key not in self._matchers, e.record.public_key))
        return [(entry.record, entry.raw) for entry in entries]

    def page(self, key: PeerId, cursor: PublicKey, room: int, now: float) -> tuple[list[bytes], PublicKey]:
        """Records after the signer ``cursor`` (empty: from the start) that fit ``room`` bytes, and the next cursor.

        The next cursor is empty when nothing is left. It names a signer, not a position, so that records that
        come and go between two pages make a reader skip nothing.
        """
        assert room >= RECORD_BYTES_CAP + BYTES_HEAD, "a page has room for one record, or reading would not end"
        pages: list[bytes] = []
        after = (cursor not in self._matchers, cursor) if cursor else None
        last = cursor
        for record, raw in self.records(key, now):
            if after is not None and (record.public_key not in self._matchers, record.public_key) <= after:
                continue
            room -= len(raw) + BYTES_HEAD
            if room < 0:
                return pages, last
            pages.append(raw)
            last = record.public_key
        return pages, b""

    def keys(self) -> Iterator[PeerId]:
        return iter(self._keys)

    @staticmethod
    def _against(held: _Entry, record: ProviderRecord, raw: bytes) -> Stored:
        if raw == held.raw:
            return Stored.DUPLICATE
        newer = (record.sequence, raw) > (held.record.sequence, held.raw)
        return Stored.NEW if newer else Stored.STALE

    def _count(self, key: PeerId, public_key: PublicKey, by: int) -> None:
        if public_key in self._matchers:
            _add(self._per_matcher, public_key, by)
        else:
            _add(self._strangers_by_key, key, by)
            self._strangers += by


def _add(counts: dict[bytes, int], name: bytes, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
    if counts[name] == 0:
        del counts[name]
