"""Who is let in: what a request shows, compared with the accounts; how often an address or a key may come."""

import time
from typing import Final

from gossipbook.buckets import TokenBucket
from gossipbook.gateway.access import Denied, Guesses, bearer, require, signed
from gossipbook.gateway.accounts import Account, AccountFile, ApiKey, Scope
from gossipbook.gateway.settings import KEY_REQUESTS_BURST, KEY_REQUESTS_PER_S, REQUESTS_BURST, REQUESTS_PER_S
from gossipbook.ordered import BoundedDict

ADDRESSES_CAP: Final = 4_096
"""Addresses, and keys, whose requests are counted; the longest silent are forgotten."""


class Rates:
    """So many requests a second of each address, or of each key."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: BoundedDict[str, TokenBucket] = BoundedDict(ADDRESSES_CAP)

    def spend(self, who: str, weight: float = 1) -> None:
        """Raises :class:`Denied` if that was too much."""
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = TokenBucket(self._per_s, self._burst)
        if not bucket.spend(time.monotonic(), weight):
            raise Denied("too-many-requests")


class Door:
    """Lets API keys in, by what they show. For one thread."""

    def __init__(self, accounts: AccountFile) -> None:
        self._accounts = accounts
        self._guesses = Guesses()
        self._by_key = Rates(KEY_REQUESTS_PER_S, KEY_REQUESTS_BURST)
        self._by_address = Rates(REQUESTS_PER_S, REQUESTS_BURST)

    def count(self, address: str, weight: float = 1) -> None:
        """Count a request without a key. Raises :class:`Denied`: there were too many."""
        self._by_address.spend(address, weight)

    def by_bearer(self, header: str, address: str) -> ApiKey:
        """Who has the key of an ``Authorization`` header.

        Raises:
            Denied: nobody.
        """
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise Denied("no-key")
        return self.by_token(token.strip(), address)

    def by_token(self, token: str, address: str) -> ApiKey:
        """Who has a token, ``<id>.<secret>``.

        Raises:
            Denied: nobody.
        """
        try:
            return self._let_in(bearer(self._accounts.find_key, token))
        except Denied as denied:
            raise self._judged(denied, address) from None

    def again(self, key: ApiKey) -> ApiKey:
        """Count one more request over a socket that a key was let in with.

        Raises:
            Denied: there were too many, or the key has been revoked since.
        """
        return self._let_in(self.still(key))

    def still(self, key: ApiKey) -> ApiKey:
        """A key that was let in, if it has not been revoked since.

        Raises:
            Denied: it has.
        """
        found = self._accounts.find_key(key.id)
        if found is None:
            raise Denied("wrong-key")
        return found

    def by_signature(self, key_id: str, payload: bytes, signature: str, address: str) -> ApiKey:
        """Who signed a request.

        Raises:
            Denied: nobody, or not this one.
        """
        try:
            return self._let_in(signed(self._accounts.find_key, key_id, payload, signature))
        except Denied as denied:
            raise self._judged(denied, address) from None

    def by_id(self, key_id: str, address: str) -> ApiKey:
        """An API key by its id alone, for what shows nothing and changes nothing: user streams of one dialect.

        Raises:
            Denied: there is none.
        """
        key = self._accounts.find_key(key_id)
        if key is None:
            raise self._judged(Denied("wrong-key"), address)
        return self._let_in(key)

    def knows(self, key_id: str) -> bool:
        """Whether there is an API key of this id; who shows it is counted by it, and else by their address."""
        return self._accounts.find_key(key_id) is not None

    def account(self, key: ApiKey, scope: Scope) -> Account:
        """The account of a key that has a scope.

        Raises:
            Denied: it has not.
        """
        require(key, scope)
        account = self._accounts.find_account(key.account)
        if account is None:
            raise Denied("wrong-key")
        return account

    def _let_in(self, key: ApiKey) -> ApiKey:
        self._by_key.spend(key.id)
        return key

    def _judged(self, denied: Denied, address: str) -> Denied:
        """What is told to who showed what is wrong: that they guessed too often, once they have."""
        if denied.reason not in ("wrong-key", "wrong-signature"):
            return denied
        now_s = time.monotonic()
        try:
            self._guesses.check(address, now_s)
        except Denied as too_often:
            return too_often
        self._guesses.failed(address, now_s)
        return denied
