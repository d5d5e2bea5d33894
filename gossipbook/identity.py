"""Ed25519 identities of peers and authors, and the one form in which anything is signed.

A signature covers a domain tag (the kind of thing), the chain id (the network) and the exact body, so
that it is good for nothing else and nowhere else.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from nacl import bindings, exceptions

from gossipbook.ids import ChainId, PeerId, PublicKey, peer_id
from gossipbook.ordered import BoundedDict

SEED_BYTES = 32
TAG_BYTES = 8
VERDICT_CACHE_CAP = 8_192

DOMAIN_OP = b"op"
DOMAIN_PROPOSE = b"propose"
DOMAIN_VOTE = b"vote"
DOMAIN_TIMEOUT = b"timeout"
DOMAIN_HANDSHAKE = b"hello"
DOMAIN_RECORD = b"record"


class SignatureCheck(NamedTuple):
    """One signature to verify: ``signed`` is the complete signed message, tag and chain id included."""

    public_key: PublicKey
    signed: bytes
    signature: bytes

    def key(self) -> bytes:
        """What the verdict is cached under; it covers the signature, so that a forged one censors nothing."""
        return hashlib.sha256(self.public_key + self.signature + self.signed).digest()


def signed_message(domain: bytes, chain_id: ChainId, body: bytes) -> bytes:
    """The bytes that a signature covers: tag padded to 8 bytes, chain id (32), body."""
    assert len(domain) <= TAG_BYTES
    return domain.ljust(TAG_BYTES, b"\0") + chain_id + body


class Identity:
    """A key pair that can sign. The secret never appears in ``repr`` or in a log."""

    __slots__ = ("_secret", "peer_id", "public_key", "seed")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a key seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self.public_key: PublicKey
        self.public_key, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.peer_id: PeerId = peer_id(self.public_key)

    def sign(self, domain: bytes, chain_id: ChainId, body: bytes) -> bytes:
        """A 64-byte Ed25519 signature (deterministic, so a core may call this)."""
        return bindings.crypto_sign(signed_message(domain, chain_id, body), self._secret)[:64]

    def __repr__(self) -> str:
        return f"Identity({self.public_key.hex()[:16]}…)"


def verify_signature(check: SignatureCheck) -> bool:
    """Verify one signature; about 40 to 55 µs, most of it with the GIL released."""
    if len(check.signature) != 64 or len(check.public_key) != 32:
        return False
    try:
        bindings.crypto_sign_open(check.signature + check.signed, check.public_key)
    except exceptions.BadSignatureError:
        return False
    return True


class Verifier:
    """Verifies signatures, and caches the verdicts.

    Verifying is pure, so a core may ask for any verdict at any time. A driver asks :meth:`unknown`
    which of a message's checks have no verdict yet, works those out on a thread, and stores them with
    :meth:`learn` before the core sees the message; a core then never pays for one on its own thread.
    """

    __slots__ = ("_verdicts", "computed")

    def __init__(self, cap: int = VERDICT_CACHE_CAP) -> None:
        self._verdicts: BoundedDict[bytes, bool] = BoundedDict(cap)
        self.computed = 0

    def good(self, check: SignatureCheck) -> bool:
        """Whether the signature is valid, from the cache or worked out now."""
        key = check.key()
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = verify_signature(check)
            self.computed += 1
            self._verdicts[key] = verdict
        return verdict

    def unknown(self, checks: Iterable[SignatureCheck]) -> list[SignatureCheck]:
        """Return the checks that have no cached verdict."""
        return [check for check in checks if check.key() not in self._verdicts]

    def learn(self, check: SignatureCheck, verdict: bool) -> None:
        """Store a verdict that was worked out elsewhere with :func:`verify_signature`."""
        self._verdicts[check.key()] = verdict
