"""The handshake: who may not get in, and by what name it is refused."""

import pytest
from consensus.kit import identity

from gossipbook import cbor
from gossipbook.errors import HandshakeError
from gossipbook.ids import digest
from gossipbook.wire.handshake import FORGED, MALFORMED, SELF, WRONG_NETWORK, WRONG_VERSION, Handshake

CHAIN, OTHER = digest(b"one"), digest(b"two")
ALICE, BOB, EVE = identity("alice"), identity("bob"), identity("eve")
N1, N2, N3 = (digest(b"nonce", bytes([i])) for i in range(3))


def side(who=ALICE, *, dialled=True, nonce=N1, chain=CHAIN, **more) -> Handshake:  # type: ignore[no-untyped-def]
    return Handshake(who, chain, dialled=dialled, nonce=nonce, **more)


def pair(**more) -> tuple[Handshake, Handshake]:  # type: ignore[no-untyped-def]
    return side(**more), side(BOB, dialled=False, nonce=N2, **more)


def refused(hello: bytes, by: Handshake | None = None) -> str:
    with pytest.raises(HandshakeError) as caught:
        (by or side(BOB, dialled=False, nonce=N2)).answer(hello)
    return caught.value.reason


def test_two_honest_sides_know_each_other() -> None:
    a, b = pair(binding=N3, addresses=("10.0.0.1:7000",))
    to_b, to_a = a.answer(b.hello()), b.answer(a.hello())
    assert a.finish(to_a).public_key == BOB.public_key
    known = b.finish(to_b)
    assert (known.public_key, known.addresses, known.role) == (ALICE.public_key, ("10.0.0.1:7000",), "peer")


def test_another_network() -> None:
    assert refused(side(chain=OTHER).hello()) == WRONG_NETWORK


def test_another_version() -> None:
    fields = cbor.decode(side().hello())
    assert refused(cbor.encode([2, *fields[1:]])) == WRONG_VERSION


def test_myself() -> None:
    assert refused(side(BOB).hello()) == SELF


@pytest.mark.parametrize("raw", [b"", b"\x80", b"x" * 5_000, cbor.encode([1, 2, 3, 4, 5, 6, 7])])
def test_garbage(raw: bytes) -> None:
    assert refused(raw) == MALFORMED


def test_an_unknown_role() -> None:
    hello = cbor.decode_array(side().hello(), 7)
    assert refused(cbor.encode([*hello[:4], "king", *hello[5:]])) == MALFORMED


def forged(by: Handshake, signature: bytes) -> bool:
    with pytest.raises(HandshakeError) as caught:
        by.finish(signature)
    return caught.value.reason == FORGED


def test_a_man_in_the_middle_with_another_certificate() -> None:
    """Eve ends both TLS channels and passes hellos and signatures on untouched."""
    a = side(binding=digest(b"eve's certificate"))
    b = side(BOB, dialled=False, nonce=N2, binding=digest(b"bob's certificate"))
    to_b, to_a = a.answer(b.hello()), b.answer(a.hello())
    assert forged(a, to_a)
    assert forged(b, to_b)


def test_a_signature_reflected_to_its_maker() -> None:
    """Eve claims to be alice to alice's own dialling twin: a side's signature names the side."""
    a, b = pair()
    mine = a.answer(b.hello())
    b.answer(a.hello())
    assert forged(a, mine)


def test_a_signature_from_an_earlier_handshake() -> None:
    a, b = pair()
    old = a.answer(b.hello())
    b.answer(a.hello())
    assert b.finish(old).public_key == ALICE.public_key
    again = side(BOB, dialled=False, nonce=N3)
    again.answer(a.hello())  # alice's hello replayed; bob's nonce is new
    assert forged(again, old)


def test_a_hello_that_was_touched_on_its_way() -> None:
    a, b = pair()
    fields = cbor.decode(a.hello())
    touched = cbor.encode([*fields[:5], ["6.6.6.6:1"], fields[6]])
    to_b = a.answer(b.hello())
    b.answer(touched)
    assert forged(b, to_b)


def test_somebody_elses_key() -> None:
    """Eve says hello with alice's key and signs with her own."""
    fields = cbor.decode(side().hello())
    eve = side(EVE)
    b = side(BOB, dialled=False, nonce=N2)
    b.answer(cbor.encode(fields))
    assert forged(b, eve.answer(b.hello()))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_no_signature_at_all(signature: bytes) -> None:
    a, b = pair()
    b.answer(a.hello())
    assert forged(b, signature)
