"""Who had to certify a pair's blocks, and the exact bytes that their votes sign."""

import hashlib
import struct
from dataclasses import dataclass

from gossipbook.audit.export import CertificateEntry
from gossipbook.audit.fields import Defect
from gossipbook.identity import SignatureCheck
from gossipbook.ids import digest
from gossipbook.manifest import Manifest

PREPARE, COMMIT = 1, 2
VOTE_TAG = b"vote\0\0\0\0"
OP_TAG = b"op\0\0\0\0\0\0"
_VOTE = struct.Struct(">BI32sQQ32s")


@dataclass(frozen=True, slots=True)
class Seats:
    """One pair's committee in epoch 0: keys by seat, how many votes decide, and the highest version of its ops."""

    chain_id: bytes
    epoch: int
    symbol: str
    keys: tuple[bytes, ...]
    quorum: int
    rules_version: int

    @classmethod
    def of(cls, manifest: Manifest, symbol: str) -> "Seats":
        """The ``committee_size`` matchers nearest to the pair's key, at most max(1, f) for an operator.

        byzantine: f = floor((n-1)/3), q = ceil((n+f+1)/2); crash: q = floor(n/2) + 1, f = n - q.
        """
        n = manifest.committee_size
        f = (n - 1) // 3
        quorum = (n + f + 2) // 2
        if manifest.fault_model == "crash":
            quorum = n // 2 + 1
            f = n - quorum
        pair_key = _id160(b"gossipbook/pair" + manifest.digest + symbol.encode())
        by_distance = sorted(manifest.matchers, key=lambda m: pair_key ^ _id160(m.public_key))
        chosen: list[bytes] = []
        operators: list[str] = []
        for matcher in by_distance:
            if len(chosen) < n and operators.count(matcher.operator) < max(1, f):
                chosen.append(matcher.public_key)
                operators.append(matcher.operator)
        return cls(manifest.chain_id, manifest.epoch, symbol, tuple(chosen), quorum, manifest.rules_version)

    @property
    def genesis(self) -> bytes:
        """The parent of height 1."""
        return digest(b"genesis", self.chain_id, self.epoch.to_bytes(4, "big"), self._pair_digest)

    @property
    def _pair_digest(self) -> bytes:
        return hashlib.sha256(self.symbol.encode()).digest()

    def leader(self, term: int) -> bytes:
        return self.keys[term % len(self.keys)]

    def votes(self, certificate: CertificateEntry, kind: int = COMMIT) -> list[SignatureCheck]:
        """The signatures of a certificate that is sound in :meth:`check_shape`."""
        c = certificate
        body = _VOTE.pack(kind, self.epoch, self._pair_digest, c.term, c.height, c.block_id)
        signed = VOTE_TAG + self.chain_id + body
        return [SignatureCheck(self.keys[seat], signed, signature) for seat, signature in c.signers]

    def check_shape(self, certificate: CertificateEntry, height: int, block_id: bytes, created_term: int) -> None:
        """All of a certificate but its signatures."""
        c = certificate
        if c.block_id != block_id or c.height != height:
            raise Defect("the certificate is another block's")
        if c.term < created_term:
            raise Defect(f"the certificate is of term {c.term}, but the block was created in term {created_term}")
        numbers = [seat for seat, _ in c.signers]
        for seat in numbers:
            if numbers.count(seat) > 1:
                raise Defect(f"the certificate counts seat {seat} twice")
            if seat >= len(self.keys):
                raise Defect(f"the certificate has a vote of seat {seat}, which is not in the committee")
        if numbers != sorted(numbers):
            raise Defect("the certificate's seats are not in ascending order")
        if len(numbers) < self.quorum:
            raise Defect(f"the certificate has {len(numbers)} votes of the {self.quorum} that it needs")


def op_check(chain_id: bytes, author: bytes, signed: bytes, signature: bytes) -> SignatureCheck:
    """An author's signature on an op."""
    return SignatureCheck(author, OP_TAG + chain_id + signed, signature)


def _id160(raw: bytes) -> int:
    return int.from_bytes(hashlib.sha256(raw).digest()[:20], "big")
