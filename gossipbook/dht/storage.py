"""kademlia's storage interface over a :class:`ProviderTable`, with the stock way of writing refused.

Stock kademlia lets anybody set any key and hands every stored pair to each new node. Here records come in
through :meth:`RecordStorage.put` only, checked, and are refreshed by their signers' heartbeats alone.
"""

from collections.abc import Collection, Iterator
from typing import NoReturn

from kademlia.storage import IStorage

from gossipbook.buckets import TokenBucket
from gossipbook.dht.records import RecordError, parse_record, record_check
from gossipbook.dht.table import ProviderTable, Stored, TableLimits
from gossipbook.identity import Verifier
from gossipbook.ids import ChainId, PeerId, PublicKey

VERDICT_CAP = 4_096


class RecordStorage(IStorage):  # type: ignore[misc]  # kademlia is untyped
    """Verifies what it is given and keeps it in a table."""

    def __init__(
        self, chain_id: ChainId, limits: TableLimits, matchers: Collection[PublicKey], signatures_per_s: int
    ) -> None:
        self.table = ProviderTable(limits, matchers=matchers)
        self.verifier = Verifier(VERDICT_CAP)
        self._chain_id = chain_id
        self._budget = TokenBucket(signatures_per_s)

    def put(self, key: PeerId, raw: bytes, now: float) -> Stored:
        """Store a record from a remote.

        Raises:
            RecordError: the record is no good, or (``busy``) too many signatures were asked for lately.
        """
        return self._take(self.table, key, raw, now, is_asked=False)

    def collect(self, found: ProviderTable, key: PeerId, raw: bytes, now: float) -> Stored:
        """Add a record that a look-up of ours brought to what it found; raises as :meth:`put`, never ``busy``."""
        return self._take(found, key, raw, now, is_asked=True)

    def _take(self, table: ProviderTable, key: PeerId, raw: bytes, now: float, *, is_asked: bool) -> Stored:
        # The cheap refusals first, the signature last.
        record = parse_record(raw, key)
        outcome = table.judge(record, raw, now)
        if outcome is not Stored.NEW:
            return outcome
        if not is_asked and not self._budget.spend(now):
            raise RecordError("busy")
        if not self.verifier.good(record_check(raw, self._chain_id)):
            raise RecordError("signature")
        return table.put(record, raw, now)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise RecordError("unsigned", "use put")

    def __getitem__(self, key: object) -> NoReturn:
        raise KeyError(key)

    def get(self, key: object, default: object = None) -> object:
        """Nothing: a key has many records, and those are read in pages."""
        return default

    def iter_older_than(self, seconds_old: float) -> list[tuple[bytes, bytes]]:
        """Nothing: signers announce again, nobody republishes for them."""
        return []

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Nothing: a new node gets its records from their signers."""
        return iter(())
