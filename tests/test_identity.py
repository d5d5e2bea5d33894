"""Keys, what a signature covers, and the cache of verdicts."""

import pytest
from consensus.kit import identity

from gossipbook.identity import (
    DOMAIN_OP,
    DOMAIN_VOTE,
    Identity,
    SignatureCheck,
    Verifier,
    signed_message,
    verify_signature,
)
from gossipbook.ids import digest, peer_id
from gossipbook.ordered import BoundedDict, OrderedSet

ALICE, BOB = identity("alice"), identity("bob")
CHAIN = digest(b"chain")


def check(
    body: bytes = b"body", *, chain: bytes = CHAIN, domain: bytes = DOMAIN_OP, key: bytes = b""
) -> SignatureCheck:
    signature = ALICE.sign(DOMAIN_OP, CHAIN, b"body")
    return SignatureCheck(key or ALICE.public_key, signed_message(domain, chain, body), signature)


def test_a_signature_is_good_for_one_thing_only() -> None:
    assert verify_signature(check())
    assert not verify_signature(check(b"another body"))
    assert not verify_signature(check(chain=digest(b"another chain")))
    assert not verify_signature(check(domain=DOMAIN_VOTE))
    assert not verify_signature(check(key=BOB.public_key))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), b"\xff" * 32])
def test_malformed_keys_and_signatures_are_just_bad(signature: bytes, key: bytes) -> None:
    assert not verify_signature(SignatureCheck(key, b"x", signature))


def test_signing_is_deterministic_and_secrets_do_not_show() -> None:
    seed = bytes(range(32))
    one, two = Identity(seed), Identity(seed)
    assert one.sign(DOMAIN_OP, CHAIN, b"x") == two.sign(DOMAIN_OP, CHAIN, b"x")
    assert one.peer_id == peer_id(one.public_key)
    assert len(one.peer_id) == 20
    assert seed.hex() not in repr(one)
    assert repr(seed) not in repr(one)
    with pytest.raises(ValueError, match="32 bytes"):
        Identity(b"short")


def test_a_forged_signature_first_does_not_censor_the_true_one() -> None:
    verifier = Verifier()
    true = check()
    forged = true._replace(signature=bytes(64))
    assert not verifier.good(forged)
    assert verifier.good(true)
    assert not verifier.good(forged)
    assert verifier.computed == 2


def test_a_verdict_is_worked_out_once() -> None:
    verifier = Verifier()
    assert verifier.unknown([check()]) == [check()]
    verifier.learn(check(), True)
    assert verifier.unknown([check()]) == []
    assert verifier.good(check())
    assert verifier.computed == 0


def test_a_good_verdict_is_not_lent_to_another_key() -> None:
    """The parts of a check are of fixed length, so that no two checks share a cache key."""
    verifier = Verifier()
    verifier.learn(check(), True)
    assert not verifier.good(check(key=BOB.public_key))
    assert not verifier.good(check(b"another body"))


def test_parts_of_odd_length_do_not_share_a_verdict() -> None:
    """Bytes moved between signature and message: another check, another key."""
    one = SignatureCheck(bytes(32), b"xy", bytes(64))
    two = SignatureCheck(bytes(32), b"y", bytes(64) + b"x")
    assert one.key() != two.key() or not (verify_signature(one) or verify_signature(two))


def test_the_cache_is_bounded() -> None:
    verifier = Verifier(cap=4)
    for i in range(10):
        verifier.learn(check(b"%d" % i), True)
    known = 10 - len(verifier.unknown(check(b"%d" % i) for i in range(10)))
    assert known == 4


# -- containers -------------------------------------------------------------------------------------------


def test_bounded_dicts_push_out_the_oldest_written() -> None:
    d: BoundedDict[str, int] = BoundedDict(2)
    d["a"], d["b"] = 1, 2
    d["a"] = 3  # written again: now b is the oldest
    d["c"] = 4
    assert list(d.items()) == [("a", 3), ("c", 4)]
    assert d.evicted == 1
    assert d.pop("a") == 3
    assert d.pop("a") is None
    assert "c" in d
    assert len(d) == 1


def test_ordered_sets_keep_their_order() -> None:
    s = OrderedSet([b"c", b"a"])
    assert s.add(b"b")
    assert not s.add(b"a")
    assert list(s) == [b"c", b"a", b"b"]
    s.discard(b"a")
    s.discard(b"x")
    assert list(s) == [b"c", b"b"]
