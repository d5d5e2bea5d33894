"""Votes, and the certificates that q of them make.

NC (notarization) = q PREPAREs, FC (finality) = q COMMITs, for one (term, height, block id). TC (term change) = q
TIMEOUTs for exactly one term, with the FC that proves the highest finalized height among them (H*) and the NC
that proves the highest lock (L*): what lower claims say decides nothing.

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

    ``lock_term`` is None without a lock, ``lock_id`` then zeros and ``lock_height`` 0. It is by default, and where one
    height is in flight always, ``fin + 1``.
    """

    term: int
    fin: int
    fin_id: BlockId
    lock_term: int | None
    lock_id: BlockId
    seat: int
    signature: bytes
    lock_height: int = 0

    def __post_init__(self) -> None:
        if self.lock_term is not None and not self.lock_height:
            object.__setattr__(self, "lock_height", self.fin + 1)

    def check(self, committee: Committee) -> SignatureCheck:
        body = committee.timeout_body(self.term, self.fin, self.fin_id, self.lock_term, self.lock_id, self.lock_height)
        return committee.timeout_check(body, self.seat, self.signature)

    def fits(self, committee: Committee) -> bool:
        """Whether an honest member of the network could have such a lock, and the signature covers all of it."""
        if self.lock_term is None:
            return True
        if committee.is_deep:
            return self.lock_height > self.fin and self.lock_term <= self.term
        return self.lock_height == self.fin + 1

    def encode(self) -> list[Any]:
        """The lock's height is told only where it is not the next one."""
        told = [self.term, self.fin, self.fin_id, self.lock_term, self.lock_id, self.seat, self.signature]
        is_next = self.lock_height in (0, self.fin + 1)
        return told if is_next else [*told, self.lock_height]


@dataclass(frozen=True, slots=True)
class Base:
    """The block that a term begins on, which all that is prepared in it is or descends from.

    ``is_locked``: it is proposed again, exactly as it is; else it is final.
    """

    height: int
    block_id: BlockId
    is_locked: bool


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
        return self.top.fin

    @property
    def top(self) -> Timeout:
        """One that shows H*."""
        return max(self.timeouts, key=lambda t: t.fin)

    def high_lock(self, committee: Committee) -> Timeout | None:
        """L*: the lock of the highest (term, height) among the timeouts, and where one height is in flight of those
        with fin = H*.
        """
        high_fin = self.high_fin
        locked = [t for t in self.timeouts if t.lock_term is not None and (committee.is_deep or t.fin == high_fin)]
        return max(locked, key=lambda t: (t.lock_term or 0, t.lock_height), default=None)

    def base(self, committee: Committee) -> Base:
        """What the next term begins on: L*'s block if that binds, else the one that shows H*."""
        top, lock = self.top, self.high_lock(committee)
        shown_term = 0 if self.fc is None else self.fc.term
        if (
            lock is not None
            and committee.is_deep
            and (lock.lock_height <= top.fin or (lock.lock_term or 0) < shown_term)
        ):
            lock = None  # It was outdated by what became final in a later term, or is final itself.
        if lock is None:
            return Base(top.fin, top.fin_id, is_locked=False)
        return Base(lock.lock_height, lock.lock_id, is_locked=True)

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
        if any(timeout.term != self.term or not timeout.fits(committee) for timeout in self.timeouts):
            return False
        lock = self.high_lock(committee)
        if lock is None and self.nc is not None:
            return False
        return proves_fin(self.fc, self.top, committee) and (lock is None or proves_lock(self.nc, lock, committee))

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
    if fc is None or (fc.kind, fc.height, fc.block_id) != named or not fc.sound(committee):
        return False
    return not committee.is_deep or fc.term <= timeout.term


def proves_lock(nc: Certificate | None, timeout: Timeout, committee: Committee) -> bool:
    """Whether an NC, if its signatures are good, backs a timeout's claim to a lock.

    The lock may be of a later term than the one given up, where one height is in flight. A timeout without one needs
    no NC and may have none.
    """
    if timeout.lock_term is None:
        return nc is None
    named = (PREPARE, timeout.lock_term, timeout.lock_height, timeout.lock_id)
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
    told = len(raw) if type(raw) is list else 0
    term, fin, fin_id, lock_term, lock_id, seat, signature, *more = _parts(raw, 8 if told == 8 else 7, "timeout")
    lock_height = cbor.check_uint(more[0], "lock height") if more else 0
    if more and (lock_term is None or lock_height in (0, fin + 1 if type(fin) is int else 0)):
        raise DecodeError("timeout: the lock's height is told where it says nothing")
    return Timeout(
        cbor.check_uint(term, "term"),
        cbor.check_uint(fin, "fin"),
        cbor.check_bytes(fin_id, "finalized id", DIGEST_BYTES),
        None if lock_term is None else cbor.check_uint(lock_term, "lock term"),
        cbor.check_bytes(lock_id, "lock id", DIGEST_BYTES),
        cbor.check_uint(seat, "seat", COMMITTEE_CAP - 1),
        cbor.check_bytes(signature, "signature", SIGNATURE_BYTES),
        lock_height,
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
