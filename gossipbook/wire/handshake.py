"""The handshake, without I/O. Both sides say hello; then each signs the transcript of both hellos.

The transcript is: the side that signs, the dialler's hello, the listener's hello, and the channel binding (the
SHA-256 of the listener's TLS certificate, or empty on a plain loopback link). A man in the middle with another
certificate thus holds signatures that verify nowhere.
"""

from dataclasses import dataclass
from enum import StrEnum

from gossipbook import cbor
from gossipbook.errors import DecodeError, HandshakeError
from gossipbook.identity import DOMAIN_HANDSHAKE, Identity, SignatureCheck, signed_message, verify_signature
from gossipbook.ids import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, PeerId, PublicKey, peer_id

PROTOCOL_VERSION = 1
NONCE_BYTES = 32
HANDSHAKE_BYTES_CAP = 4_096
ROLE_CAP = 16  # characters
RULES_2 = "rules-2"
RULES_3 = "rules-3"
RULES_4 = "rules-4"
RULES_5 = "rules-5"
PROOFS = "proofs"
FEATURES: tuple[str, ...] = (RULES_2, PROOFS, RULES_3, RULES_4, RULES_5)
"""What this build speaks beyond the first version of the wire. Each side uses what both name.

``rules-2``: ops of version 2 and the events that they lead to, see :func:`required_features`. ``rules-3``: blocks of
these rules. ``rules-4``: ops of version 4. ``proofs``: a peer answers ``AskAuthor``, ``AskBlock`` and ``WatchProven``.
"""

WRONG_VERSION, WRONG_NETWORK, SELF, FORGED, MALFORMED = (
    "wrong-version",
    "wrong-network",
    "self-connection",
    "bad-handshake-signature",
    "malformed-handshake",
)


def required_features(rules_version: int) -> tuple[str, ...]:
    """Return the features that both ends of a link need in a network of such rules."""
    return (RULES_2, RULES_3, RULES_4, RULES_5)[: rules_version - 1]


class Role(StrEnum):
    """What the other end of a link is here for."""

    PEER = "peer"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is there. ``addresses`` are where the sender can be dialled, as it believes."""

    version: int
    chain_id: ChainId
    public_key: PublicKey
    nonce: bytes
    role: Role
    addresses: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def peer_id(self) -> PeerId:
        return peer_id(self.public_key)

    def encode(self) -> bytes:
        return cbor.encode(
            [
                self.version,
                self.chain_id,
                self.public_key,
                self.nonce,
                self.role.value,
                list(self.addresses),
                list(self.features),
            ]
        )


def decode_hello(raw: bytes) -> Hello:
    cbor.check_blob(raw, "hello", HANDSHAKE_BYTES_CAP)
    version, chain_id, public_key, nonce, role, addresses, features = cbor.decode_array(raw, 7)
    return Hello(
        cbor.check_uint(version, "version"),
        cbor.check_bytes(chain_id, "chain id", DIGEST_BYTES),
        cbor.check_bytes(public_key, "public key", PUBLIC_KEY_BYTES),
        cbor.check_bytes(nonce, "nonce", NONCE_BYTES),
        _decode_role(role),
        tuple(cbor.check_text(a, "address", 128) for a in cbor.check_list(addresses, "addresses", 8)),
        tuple(cbor.check_text(a, "feature", 32) for a in cbor.check_list(features, "features", 32)),
    )


def _decode_role(raw: object) -> Role:
    text = cbor.check_text(raw, "role", ROLE_CAP)
    if text not in tuple(Role):
        raise DecodeError(f"role {text!r}")
    return Role(text)


class Handshake:
    """One side of one handshake: ``hello``, then ``answer`` to theirs, then ``finish`` with their signature."""

    def __init__(
        self,
        identity: Identity,
        chain_id: ChainId,
        *,
        dialled: bool,
        nonce: bytes,
        role: Role = Role.PEER,
        addresses: tuple[str, ...] = (),
        binding: bytes = b"",
        speaks: tuple[str, ...] = FEATURES,
        requires: tuple[str, ...] = (),
    ) -> None:
        self._identity = identity
        self._chain_id = chain_id
        self._dialled = dialled
        self._binding = binding
        self._requires = requires
        self._mine = Hello(PROTOCOL_VERSION, chain_id, identity.public_key, nonce, role, addresses, speaks).encode()
        self._theirs: Hello | None = None
        self._transcript = b""

    def hello(self) -> bytes:
        return self._mine

    def answer(self, raw: bytes) -> bytes:
        """My signature, given their hello.

        Raises:
            HandshakeError: they are of another network or version, or are myself.
        """
        try:
            theirs = decode_hello(raw)
        except DecodeError as error:
            raise HandshakeError(MALFORMED, str(error)) from None
        if theirs.chain_id != self._chain_id:
            raise HandshakeError(WRONG_NETWORK, f"theirs is {theirs.chain_id.hex()[:10]}")
        if theirs.version != PROTOCOL_VERSION:
            raise HandshakeError(WRONG_VERSION, f"theirs is {theirs.version}, mine {PROTOCOL_VERSION}")
        missing = [feature for feature in self._requires if feature not in theirs.features]
        if missing:
            raise HandshakeError(WRONG_VERSION, f"this network's rules need {', '.join(missing)}, which they lack")
        if theirs.public_key == self._identity.public_key:
            raise HandshakeError(SELF)
        self._theirs = theirs
        hellos = [self._mine, raw] if self._dialled else [raw, self._mine]
        self._transcript = cbor.encode([*hellos, self._binding])
        return self._identity.sign(DOMAIN_HANDSHAKE, self._chain_id, self._side(self._dialled) + self._transcript)

    def finish(self, signature: bytes) -> Hello:
        """Who they are, proven.

        Raises:
            HandshakeError: their signature does not cover this very handshake over this very channel.
        """
        theirs = self._theirs
        assert theirs is not None, "finish before answer"
        body = self._side(not self._dialled) + self._transcript
        check = SignatureCheck(theirs.public_key, signed_message(DOMAIN_HANDSHAKE, self._chain_id, body), signature)
        if len(signature) != SIGNATURE_BYTES or not verify_signature(check):
            raise HandshakeError(FORGED, "not theirs, or not over this channel")
        return theirs

    @staticmethod
    def _side(dialler: bool) -> bytes:
        return b"dialler\0" if dialler else b"listener"
