"""Whether a request is who it says: bearer secrets, HMAC and Ed25519 signatures, and how often one may guess.

Pure: the time comes in. Secrets are compared in constant time, and a key that there is not costs what a wrong secret
costs.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from gossipbook.buckets import TokenBucket
from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.identity import SignatureCheck, verify_signature
from gossipbook.ordered import BoundedDict

GUESSERS_CAP: Final = 4_096
"""Addresses whose failures are remembered; the longest silent are forgotten."""
GUESSES_PER_S: Final = 0.2
GUESSES_BURST: Final = 20
"""Wrong keys, secrets and signatures of one address, on average and at once."""
_NOBODY: Final = b"-" * 43

FindKey = Callable[[str], ApiKey | None]


class Denied(Exception):
    """A request that is not let through. ``reason`` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Guesses:
    """How many more wrong answers an address may give."""

    def __init__(self) -> None:
        self._buckets: BoundedDict[str, TokenBucket] = BoundedDict(GUESSERS_CAP)

    def check(self, address: str, now_s: float) -> None:
        """Raises :class:`Denied` if the address guessed too often."""
        bucket = self._buckets.get(address)
        if bucket is not None and not bucket.spend(now_s, 1):
            raise Denied("too-many-guesses")
        if bucket is not None:
            bucket.give_back(1)

    def failed(self, address: str, now_s: float) -> None:
        """An address gave a wrong answer."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(GUESSES_PER_S, GUESSES_BURST)
        bucket.spend(now_s, 1)


def bearer(find: FindKey, token: str) -> ApiKey:
    """The API key of a bearer token, ``<id>.<secret>``.

    Raises:
        Denied: it is nobody's.
    """
    key_id, _, secret = token.partition(".")
    key = find(key_id)
    held = _NOBODY if key is None or key.secret is None else key.secret
    good = hmac.compare_digest(held, secret.encode("utf-8", "replace"))
    if key is None or key.secret is None or not good:
        raise Denied("wrong-key")
    return key


def signed(find: FindKey, key_id: str, payload: bytes, signature: str) -> ApiKey:
    """The API key that signed a payload: HMAC-SHA256 in hex with a secret, or Ed25519 in base64.

    Raises:
        Denied: it did not.
    """
    key = find(key_id)
    if key is not None and key.public_key is not None:
        try:
            raw = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            raise Denied("wrong-signature") from None
        if not verify_signature(SignatureCheck(key.public_key, payload, raw)):
            raise Denied("wrong-signature")
        return key
    secret = _NOBODY if key is None or key.secret is None else key.secret
    made = hmac.new(secret, payload, hashlib.sha256).hexdigest()
    good = hmac.compare_digest(made.encode(), signature.lower().encode("utf-8", "replace"))
    if key is None:
        raise Denied("wrong-key")
    if not good:
        raise Denied("wrong-signature")
    return key


def require(key: ApiKey, scope: Scope) -> None:
    """Raises :class:`Denied` unless an API key has a scope."""
    if scope not in key.scopes:
        raise Denied(f"needs-{scope}")
