"""Votes, and the certificates that q of them make.

NC (notarization) = q PREPAREs, FC (finality) = q COMMITs, for one (term, height, block id). TC (term change) = q
TIMEOUTs for exactly one term, with the FC that proves the highest finalized height among them (H*) and the NC
that proves the highest-term lock on top of it (L*): what lower claims say decides nothing.

Certificates are never hashed into blocks or digests: different peers rightly hold different signer sets.
"""

from dataclasses import dataclass
from typing import Any

from gossipbook import cbor
from gossipbook.consensus.committee import COMMIT, PREPARE, Committee
from gossipbook.errors import DecodeError
from gossipbook.identity import SignatureCheck, Verifier
from gossipbook.ids import DIGEST_BYTES, SIGNATURE_BYTES, BlockId
from gossipbook.manifest import COMMITTEE_CAP


@dataclass(frozen=True, slots=True)
class Vote:
    """A PREPARE or a COMMIT by one seat."""

    kind: int
    term: int
    height: int
    block_id: BlockId
    seat: int
    signature: bytes

    def check(self, committee: Committee) -> SignatureCheck:
        return committee.vote_check(self.kind, self.term, self.height, self.block_id, self.seat, self.signature)

    def encode(self) -> list[Any]:
        return [self.kind, self.term, self.height, self.block_id, self.seat, self.signature]


@dataclass(frozen=True, slots=True)
class Certificate:
    """An NC or an FC. ``signers`` are (seat, signature), seats strictly ascending."""

    kind: int
    term: int
    height: int
    block_id: BlockId
    signers: tuple[tuple[int, bytes], ...]

    def checks(self, committee: Committee) -> list[SignatureCheck]:
        return [
            committee.vote_check(self.kind, self.term, self.height, self.block_id, seat, signature)
            for seat, signature in self.signers
            if seat < len(committee.seats)
        ]

    def sound(self, committee: Committee) -> bool:
        """At least q distinct seats of the committee."""
        return _is_quorum([seat for seat, _ in self.signers], committee)

    def valid(self, committee: Committee, verifier: Verifier) -> bool:
        """Sound, and all signatures good."""
        return self.sound(committee) and all(verifier.good(check) for check in self.checks(committee))

    def encode(self) -> list[Any]:
        return [self.kind, self.term, self.height, self.block_id, [list(signer) for signer in self.signers]]


@dataclass(frozen=True, slots=True)
class Timeout:
    """One seat's statement that it gave up a term, what it had finalized, and what it is locked on.

    A lock is always at height ``fin + 1``. ``lock_term`` is None without one, and ``lock_id`` then zeros.
    """

    term: int
    fin: int
    fin_id: BlockId
    lock_term: int | None
    lock_id: BlockId
    seat: int
    signature: bytes

    def check(self, committee: Committee) -> SignatureCheck:
        body = committee.timeout_body(self.term, self.fin, self.fin_id, self.lock_term, self.lock_id)
        return committee.timeout_check(body, self.seat, self.signature)

    def encode(self) -> list[Any]:
        return [self.term, self.fin, self.fin_id, self.lock_term, self.lock_id, self.seat, self.signature]


@dataclass(frozen=True, slots=True)
class TermChange:
    """A TC: why term ``term`` is over, and what the next leader is bound to."""

    term: int
    timeouts: tuple[Timeout, ...]
    fc: Certificate | None
    nc: Certificate | None

    @property
    def high_fin(self) -> int:
        """H*: the highest finalized height among the timeouts."""
        return max(timeout.fin for timeout in self.timeouts)

    @property
    def high_lock(self) -> Timeout | None:
        """L*: the highest-term lock among the timeouts whose fin is H*."""
        high_fin = self.high_fin
        locked = [t for t in self.timeouts if t.fin == high_fin and t.lock_term is not None]
        return max(locked, key=lambda t: t.lock_term if t.lock_term is not None else -1, default=None)

    def checks(self, committee: Committee) -> list[SignatureCheck]:
        found = [t.check(committee) for t in self.timeouts if t.seat < len(committee.seats)]
        for certificate in (self.fc, self.nc):
            if certificate is not None:
                found += certificate.checks(committee)
        return found

    def sound(self, committee: Committee) -> bool:
        """TIMEOUTs of at least q distinct seats for this term, and no certificates but those that back H* and L*."""
        if not _is_quorum([timeout.seat for timeout in self.timeouts], committee):
            return False
        if any(timeout.term != self.term for timeout in self.timeouts):
            return False
        highest, lock = max(self.timeouts, key=lambda t: t.fin), self.high_lock
        return proves_fin(self.fc, highest, committee) and proves_lock(self.nc, lock or highest, committee)

    def valid(self, committee: Committee, verifier: Verifier) -> bool:
        """Sound, and all signatures good."""
        return self.sound(committee) and all(verifier.good(check) for check in self.checks(committee))

    def encode(self) -> list[Any]:
        return [
            self.term,
            [timeout.encode() for timeout in self.timeouts],
            None if self.fc is None else self.fc.encode(),
            None if self.nc is None else self.nc.encode(),
        ]


def proves_fin(fc: Certificate | None, timeout: Timeout, committee: Committee) -> bool:
    """Whether an FC, if its signatures are good, backs a timeout's claim to what it finalized.

    Height 0 is the genesis, which needs none and may have none.
    """
    if timeout.fin == 0:
        return fc is None and timeout.fin_id == committee.genesis
    named = (COMMIT, timeout.fin, timeout.fin_id)
    return fc is not None and (fc.kind, fc.height, fc.block_id) == named and fc.sound(committee)


def proves_lock(nc: Certificate | None, timeout: Timeout, committee: Committee) -> bool:
    """Whether an NC, if its signatures are good, backs a timeout's claim to a lock.

    The lock may be of a later term than the one given up. A timeout without one needs no NC and may have none.
    """
    if timeout.lock_term is None:
        return nc is None
    named = (PREPARE, timeout.lock_term, timeout.fin + 1, timeout.lock_id)
    return nc is not None and (nc.kind, nc.term, nc.height, nc.block_id) == named and nc.sound(committee)


def _is_quorum(seats: list[int], committee: Committee) -> bool:
    return len(seats) >= committee.quorum.q and seats == sorted(set(seats)) and seats[-1] < len(committee.seats)


# -- decoding ---------------------------------------------------------------------------------------


def _parts(raw: object, length: int, what: str) -> list[Any]:
    if type(raw) is not list or len(raw) != length:
        raise DecodeError(f"{what}: expected an array of {length}")
    return raw


def decode_vote(raw: object) -> Vote:
    kind, term, height, block_id, seat, signature = _parts(raw, 6, "vote")
    return Vote(
        _vote_kind(kind),
        cbor.check_uint(term, "term"),
        cbor.check_uint(height, "height"),
        cbor.check_bytes(block_id, "block id", DIGEST_BYTES),
        cbor.check_uint(seat, "seat", COMMITTEE_CAP - 1),
        cbor.check_bytes(signature, "signature", SIGNATURE_BYTES),
    )


def decode_certificate(raw: object) -> Certificate:
    kind, term, height, block_id, signers = _parts(raw, 5, "certificate")
    pairs = [_parts(signer, 2, "signer") for signer in cbor.check_list(signers, "signers", COMMITTEE_CAP)]
    return Certificate(
        _vote_kind(kind),
        cbor.check_uint(term, "term"),
        cbor.check_uint(height, "height"),
        cbor.check_bytes(block_id, "block id", DIGEST_BYTES),
        tuple(
            (cbor.check_uint(seat, "seat", COMMITTEE_CAP - 1), cbor.check_bytes(sig, "signature", SIGNATURE_BYTES))
            for seat, sig in pairs
        ),
    )


def decode_timeout(raw: object) -> Timeout:
    term, fin, fin_id, lock_term, lock_id, seat, signature = _parts(raw, 7, "timeout")
    return Timeout(
        cbor.check_uint(term, "term"),
        cbor.check_uint(fin, "fin"),
        cbor.check_bytes(fin_id, "finalized id", DIGEST_BYTES),
        None if lock_term is None else cbor.check_uint(lock_term, "lock term"),
        cbor.check_bytes(lock_id, "lock id", DIGEST_BYTES),
        cbor.check_uint(seat, "seat", COMMITTEE_CAP - 1),
        cbor.check_bytes(signature, "signature", SIGNATURE_BYTES),
    )


def decode_term_change(raw: object) -> TermChange:
    term, timeouts, fc, nc = _parts(raw, 4, "term change")
    decoded = tuple(decode_timeout(item) for item in cbor.check_list(timeouts, "timeouts", COMMITTEE_CAP))
    if not decoded:
        raise DecodeError("term change: no timeouts")
    return TermChange(
        cbor.check_uint(term, "term"),
        decoded,
        decode_optional_certificate(fc),
        decode_optional_certificate(nc),
    )


def decode_optional_certificate(raw: object) -> Certificate | None:
    return None if raw is None else decode_certificate(raw)


def _vote_kind(kind: object) -> int:
    if kind not in (PREPARE, COMMIT) or type(kind) is not int:
        raise DecodeError("vote: kind is 1 (PREPARE) or 2 (COMMIT)")
    return kind
