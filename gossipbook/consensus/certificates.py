"""The certificates that a replica knows of and has not acted on yet, whichever way they came.

The highest-term NC at each of the next heights, an FC at the next one, a TC of the present term or a later one, and
finalized blocks further up. Two FCs for one height are a ``conflict``: more than f members lied.
"""

from collections.abc import Collection

from gossipbook.consensus.catchup import CatchUp
from gossipbook.consensus.certificate import Certificate, TermChange, Vote
from gossipbook.consensus.chain import Chain
from gossipbook.consensus.committee import PREPARE, Committee
from gossipbook.consensus.tally import TimeoutTally, VoteTally
from gossipbook.ids import BlockId, PeerId
from gossipbook.ordered import BoundedDict

FUTURE_CAP = 128  # certificates of finalized heights beyond the next; two batches of a sync


class Certificates:
    """Certificates, and the votes that add up to them."""

    def __init__(self, committee: Committee, chain: Chain, catch_up: CatchUp) -> None:
        self.ncs: dict[int, Certificate] = {}  # by height; as far up as a member that is less far behind votes
        self.fc: Certificate | None = None
        self.tc: TermChange | None = None
        self.conflict: tuple[Certificate, ...] = ()
        self.votes = VoteTally(committee.quorum)
        self.timeouts = TimeoutTally(committee)
        self._committee = committee
        self._chain = chain
        self._catch_up = catch_up
        self._future: BoundedDict[int, Certificate] = BoundedDict(FUTURE_CAP)

    def news(self, certificate: Certificate | TermChange, term: int) -> bool:
        """Whether a certificate, if it is valid, tells more than is known."""
        if isinstance(certificate, TermChange):
            return certificate.term >= term and (self.tc is None or certificate.term > self.tc.term)
        chain = self._chain
        if certificate.kind == PREPARE:
            known = self.ncs.get(certificate.height)
            return self._is_near(certificate.height) and (known is None or certificate.term > known.term)
        if certificate.height <= chain.fin:
            return chain.final_id(certificate.height) not in (None, certificate.block_id)
        if certificate.height == chain.fin + 1:
            return self.fc is None or self.fc.block_id != certificate.block_id
        final = self._future.get(certificate.height)
        return final is None or final.block_id != certificate.block_id

    def lock(self, term: int) -> Certificate | None:
        """The NC of the highest (term, height) that a member in a term may lock on; None if there is none.

        With several heights in flight not one of a later term, nor one that what became final in a later term outdated.
        """
        chain, committee = self._chain, self._committee
        found = [nc for nc in self.ncs.values() if nc.height <= chain.fin + committee.depth]
        if committee.is_deep:
            final_term = 0 if chain.fc is None else chain.fc.term
            found = [nc for nc in found if final_term <= nc.term <= term]
        return max(found, key=lambda nc: (nc.term, nc.height), default=None)

    def covers(self, block_ids: Collection[BlockId], term: int) -> bool:
        """Whether one of some blocks has an NC of a term."""
        return any(nc.term == term and nc.block_id in block_ids for nc in self.ncs.values())

    def are_of(self, term: int) -> bool:
        """Whether there is a certificate of a block that was voted for in a term."""
        fc = self._chain.fc
        return (fc is not None and fc.term == term) or any(nc.term == term for nc in self.ncs.values())

    def _is_near(self, height: int) -> bool:
        return self._chain.fin < height <= self._chain.fin + 2 * self._committee.depth

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
            self.ncs[certificate.height] = certificate
        else:
            self._learn_final(certificate)
            if certificate.height > self._chain.fin + 1:
                self._catch_up.heights.proves(sender, certificate.height)

    def count(self, vote: Vote) -> bool:
        """Count a vote whose signature is good; True if it completed a certificate that may be acted on."""
        if not self._is_near(vote.height):
            return False
        certificate = self.votes.add(vote)
        if certificate is None:
            return False
        if certificate.kind != PREPARE:
            self._learn_final(certificate)
        elif self.news(certificate, 0):
            self.ncs[certificate.height] = certificate
        return certificate.height <= self._chain.fin + self._committee.depth

    def advanced(self) -> None:
        """A height was finalized: what was known of it is used up, and the next may be known already."""
        self.ncs = {height: nc for height, nc in self.ncs.items() if height > self._chain.fin}
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
