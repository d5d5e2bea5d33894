"""I7: each pair and epoch has one committee, which the manifest fixes, whatever peers are known.

Every final certificate is taken apart: its seats are those of the committee that the auditor works out by itself, its
signatures are good over bytes that the auditor lays out by itself, and there are enough of them.
"""

from gossipbook.audit.export import CertificateEntry
from gossipbook.audit.fields import Defect
from gossipbook.consensus.records import Finalized
from gossipbook.sim.checkers.base import Checker
from gossipbook.sim.host import Host


class CommitteeChecker(Checker):
    """Checks every final certificate, and every peer's committee when it starts."""

    def __init__(self) -> None:
        super().__init__()
        self._good: dict[tuple[object, ...], None] = {}
        self._quorums: dict[tuple[str, int], bytes] = {}

    def emitted(self, host: Host, event: object, now_us: int) -> None:
        if not isinstance(event, Finalized) or host.faulty:
            return
        fc, block, pair = event.fc, event.block, event.pair
        self.counts["I7"] += 1
        if self._quorums.setdefault((pair, block.height), block.id) != block.id:
            self.blame("I7", f"two quorums for height {block.height} of {pair}", pair, block.height)
        key = (pair, fc.term, fc.height, fc.block_id, fc.signers)
        if key in self._good:
            return
        seats = self.view.seats[pair]
        entry = CertificateEntry(fc.term, fc.height, fc.block_id, fc.signers)
        try:
            seats.check_shape(entry, block.height, block.id, block.created_term)
        except Defect as defect:
            self.blame("I7", f"{host.name} finalized by a certificate that is none: {defect}", pair, block.height)
            return
        verifier = self.view.verifier
        if not all(verifier.good(check) for check in seats.votes(entry)):
            self.blame("I7", f"{host.name} finalized by signatures of no committee of {pair}", pair, block.height)
        self._good[key] = None

    def started(self, host: Host, now_us: int) -> None:
        """Check that a peer knows the right committee from its start, before it has met anybody."""
        assert host.peer is not None
        for symbol, pair in host.peer.pairs.items():
            self.counts["I7"] += 1
            keys = tuple(seat.public_key for seat in pair.committee.seats)
            if keys != self.view.seats[symbol].keys:
                self.blame("I7", f"{host.name} believes in another committee of {symbol}", symbol)
