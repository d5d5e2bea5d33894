"""Cheap signatures for runs that do not test cryptography.

A stub signature is a keyed hash under the *public* key: everybody could make one, so it keeps out only who does not
try. The simulator's liars do not; what they forge is wrong under either kind. The keys themselves are real.
"""

from collections.abc import Iterable
from hashlib import blake2b

from gossipbook.identity import Identity, SignatureCheck, Verifier, signed_message
from gossipbook.ids import SIGNATURE_BYTES, ChainId


class StubIdentity(Identity):
    """Signs with a keyed hash."""

    __slots__ = ()

    def sign(self, domain: bytes, chain_id: ChainId, body: bytes) -> bytes:
        message = signed_message(domain, chain_id, body)
        return blake2b(message, key=self.public_key, digest_size=SIGNATURE_BYTES).digest()


class StubVerifier(Verifier):
    """Checks stub signatures; caches nothing, because a check is as quick as a lookup."""

    __slots__ = ()

    def good(self, check: SignatureCheck) -> bool:
        self.computed += 1
        made = blake2b(check.signed, key=check.public_key, digest_size=SIGNATURE_BYTES).digest()
        return made == check.signature

    def unknown(self, checks: Iterable[SignatureCheck]) -> list[SignatureCheck]:
        """Return nothing: no signature needs to be checked in advance."""
        return []
