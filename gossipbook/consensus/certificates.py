"""The certificates that a replica knows of and has not acted on yet, whichever way they came.

The highest-term NC at the next height, an FC at it, a TC of the present term or a later one, and finalized blocks
further up. Two FCs for one height are a ``conflict``: more than f members lied.
"""

from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, TermChange, Vote
from gossipbook.consensus.chain import Chain
from gossipbook.consensus.committee import PREPARE, Committee
from gossipbook.consensus.tally import TimeoutTally, VoteTally
from gossipbook.ids import PeerId
from gossipbook.ordered import BoundedDict

FUTURE_CAP = 128  # certificates of finalized heights beyond the next; two batches of a sync


class Certificates:
    """Certificates, and the votes that add up to them."""

    def __init__(self, committee: Committee, chain: Chain, catch_up: CatchUp) -> None:
        self.nc: Certificate | None = None
        self.fc: Certificate | None = None
        self.tc: TermChange | None = None
        self.conflict: tuple[Certificate, ...] = ()
        self.votes = VoteTally(committee.quorum)
        self.timeouts = TimeoutTally(committee.quorum)
        self._chain = chain
        self._catch_up = catch_up
        self._future: BoundedDict[int, Certificate] = BoundedDict(FUTURE_CAP)

    def news(self, certificate: Certificate | TermChange, term: int) -> bool:
        """Whether a certificate, if it is valid, tells more than is known."""
        if isinstance(certificate, TermChange):
            return certificate.term >= term and (self.tc is None or certificate.term > self.tc.term)
        chain = self._chain
        if certificate.kind == PREPARE:
            at_next = certificate.height == chain.fin + 1
            return at_next and (self.nc is None or certificate.term > self.nc.term)
        if certificate.height <= chain.fin:
            return chain.final_id(certificate.height) not in (None, certificate.block_id)
        if certificate.height == chain.fin + 1:
            return self.fc is None or self.fc.block_id != certificate.block_id
        known = self._future.get(certificate.height)
        return known is None or known.block_id != certificate.block_id

    def learn(self, certificate: Certificate | TermChange, sender: PeerId, term: int) -> None:
        """Take a valid certificate from anywhere; nothing happens if it is no news."""
        if not self.news(certificate, term):
            return
        if isinstance(certificate, TermChange):
            self.tc = certificate
            for part in (certificate.fc, certificate.nc):
                if part is not None:
                    self.learn(part, sender, term)
        elif certificate.kind == PREPARE:
            self.nc = certificate
        else:
            self._learn_final(certificate)
            if certificate.height > self._chain.fin + 1:
                self._catch_up.heights.proves(sender, certificate.height)

    def count(self, vote: Vote) -> bool:
        """Count a vote whose signature is good; True if it completed a certificate at the next height."""
        if not self._chain.fin < vote.height <= self._chain.fin + 2:
            return False
        certificate = self.votes.add(vote)
        if certificate is None or certificate.height != self._chain.fin + 1:
            return False
        if certificate.kind != PREPARE:
            self._learn_final(certificate)
        elif self.nc is None or certificate.term > self.nc.term:
            self.nc = certificate
        return True

    def advanced(self) -> None:
        """A height was finalized: what was known of it is used up, and the next may be known already."""
        self.nc = None
        self.fc = self._future.pop(self._chain.fin + 1)

    def _learn_final(self, fc: Certificate) -> None:
        chain = self._chain
        if fc.height <= chain.fin:
            if chain.final_id(fc.height) not in (None, fc.block_id):
                self.conflict = (fc, chain.fc) if chain.fc is not None and chain.fc.height == fc.height else (fc,)
            return
        other = self.fc if fc.height == chain.fin + 1 else self._future.get(fc.height)
        if other is not None and other.block_id != fc.block_id:
            self.conflict = (fc, other)
        elif fc.height == chain.fin + 1:
            self.fc = fc
        else:
            self._future[fc.height] = fc
