"""Strangers that do what no peer does, one rudeness a function, and the reasons that a peer is to give for each.

Each takes a :class:`Target`, does its worst and returns when it has been turned away. What the peer makes of it is
for the tests to look up in its status.
"""

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from gossipbook import cbor
from gossipbook.client_messages import Ack, AckLevel, Answer, Submit
from gossipbook.consensus.messages import AskVotes, Bodies, Fetch, Sync
from gossipbook.crdt.op import decode_op
from gossipbook.dht import datagram
from gossipbook.gossip.messages import Graft, IWant, Push, Subscribe
from gossipbook.identity import DOMAIN_HANDSHAKE
from gossipbook.ids import digest
from gossipbook.manifest import Manifest
from gossipbook.wire.codec import encode_message
from gossipbook.wire.framing import join_frame
from gossipbook.wire.handshake import FEATURES, PROTOCOL_VERSION, Handshake, Role
from gossipbook.wire.link_messages import Ping

from .support import SYMBOL, Author, closed, shaken, stranger, tcp, websocket

# Busy: our own side of the websocket is answering the other's goodbye.
GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))
FAULTS = 200
"""Messages that a link is closed for: more than it takes, for one is forgotten a second."""
OTHER_NETWORK = digest(b"test", b"another network")


@dataclass(frozen=True)
class Target:
    """Whom to be rude to, and the loopback address to be rude from."""

    address: str
    manifest: Manifest
    source: str = "127.0.0.2"
    dht: tuple[str, int] | None = None

    def websocket(self):
        return websocket(self.address, self.source)

    def shaken(self, role=Role.CLIENT, identity=None):
        return shaken(self.address, self.manifest, identity, role=role, source=self.source)

    @asynccontextmanager
    async def tcp(self):
        async with tcp(self.address, self.source) as stream:
            yield stream


def frame(opcode, payload, *, fin=True, masked=True):
    """A raw websocket frame."""
    size = len(payload)
    mask = 0x80 if masked else 0
    if size > 65_535:
        length = bytes([mask | 127]) + size.to_bytes(8, "big")
    else:
        length = bytes([mask | size]) if size < 126 else bytes([mask | 126]) + size.to_bytes(2, "big")
    return bytes([0x80 * fin | opcode]) + length + (bytes(4) if masked else b"") + payload


async def _end(stream, within_s=15.0):
    """Read until the other side ends the connection."""
    with trio.fail_after(within_s):
        try:
            while await stream.receive_some(65_536):
                pass
        except GONE:
            pass


# Before there is a websocket


async def says_nothing(target):
    async with target.tcp() as stream:
        await _end(stream)


async def half_an_upgrade(target):
    async with target.tcp() as stream:
        await stream.send_all(UPGRADE[: len(UPGRADE) // 2])
        await _end(stream)


async def random_bytes(target):
    async with target.tcp() as stream:
        await stream.send_all(os.urandom(3_000))
        await _end(stream)


async def tls_to_a_plain_port(target):
    async with target.tcp() as stream:
        await stream.send_all(TLS_HELLO)
        await _end(stream)


async def an_upgrade_and_then_silence(target):
    async with target.tcp() as stream:
        await stream.send_all(UPGRADE)
        await _end(stream)


async def bad_websocket_frames(target):
    for raw in (
        os.urandom(500),
        frame(3, b"an opcode that is not"),
        frame(1, b"\xff\xfe"),
        frame(8, b"\x00"),
        frame(9, bytes(126)),
        frame(2, b"bare", masked=False),
        frame(0, b"the rest of nothing"),
        b"\xf2\x80" + bytes(4),
    ):
        async with target.websocket() as connection:
            await connection.below.send_all(raw)
            await closed(connection)


# Handshakes


def _handshake(target, chain_id=None, identity=None):
    return Handshake(
        identity or stranger(),
        chain_id or target.manifest.chain_id,
        dialled=True,
        nonce=os.urandom(32),
        role=Role.CLIENT,
    )


def _hello(target, *, version=PROTOCOL_VERSION, public_key=None, role=Role.CLIENT, features=FEATURES):
    public_key = public_key or stranger().public_key
    return cbor.encode([version, target.manifest.chain_id, public_key, os.urandom(32), role, [], list(features)])


async def _turned_away(target, *messages):
    async with target.websocket() as connection:
        for raw in messages:
            await connection.send_message(raw)
        return await closed(connection)


async def of_another_network(target):
    assert await _turned_away(target, _handshake(target, OTHER_NETWORK).hello()) == "wrong-network"


async def of_another_version(target):
    assert await _turned_away(target, _hello(target, version=PROTOCOL_VERSION + 1)) == "wrong-version"


async def of_an_older_wire(target):
    """It could not read what this network's rules make of orders."""
    assert await _turned_away(target, _hello(target, features=())) == "wrong-version"


async def with_its_own_key(target):
    """The peer's own key is no secret: it says it in its hello."""
    async with target.websocket() as connection:
        theirs = cbor.decode(await connection.get_message())
    assert await _turned_away(target, _hello(target, public_key=theirs[2])) == "self-connection"


async def with_a_bad_signature(target):
    assert await _turned_away(target, _hello(target), bytes(64)) == "bad-handshake-signature"
    assert await _turned_away(target, _hello(target), b"short") == "bad-handshake-signature"
    # Signed, but over the hello alone: not over this very exchange.
    identity = stranger()
    hello = _hello(target, public_key=identity.public_key)
    signature = identity.sign(DOMAIN_HANDSHAKE, target.manifest.chain_id, b"dialler\0" + hello)
    assert await _turned_away(target, hello, signature) == "bad-handshake-signature"


async def replaying_a_handshake(target):
    handshake = _handshake(target)
    async with target.websocket() as connection:
        await connection.send_message(handshake.hello())
        proof = handshake.answer(await connection.get_message())
        await connection.send_message(proof)
        handshake.finish(await connection.get_message())
    assert await _turned_away(target, handshake.hello(), proof) == "bad-handshake-signature"


async def malformed_hellos(target):
    for raw in (b"", b"hello", bytes(5_000), _hello(target, role="king"), cbor.encode([1, 2, 3])):
        assert await _turned_away(target, raw) == "malformed-handshake"


# After a handshake


async def _then(target, *frames, role=Role.CLIENT, ends_with=None):
    """Shake hands, send frames, be closed."""
    async with target.shaken(role) as connection:
        for raw in frames:
            await connection.send_message(raw)
        reason = await closed(connection)
        assert ends_with is None or (reason or "").startswith(ends_with), reason


def oversize_frames(role):
    async def send(target):
        await _then(target, bytes(128 * 1024 + 1), role=role, ends_with="Exceeded")

    return send


async def text_frames(target):
    await _then(target, "frames are binary", ends_with="they sent text")


async def tiny_fragments_without_end(target):
    async with target.shaken() as connection:
        with trio.fail_after(15):
            try:
                await connection.below.send_all(frame(2, b"x", fin=False))
                while True:
                    await connection.below.send_all(frame(0, b"x", fin=False) * 2_000)
                    await trio.lowlevel.checkpoint()
            except GONE:
                pass


def odd_frames_without_end(raw):
    async def send(target):
        async with target.shaken() as connection:
            with trio.fail_after(15):
                try:
                    while True:
                        await connection.below.send_all(raw * 2_000)
                        await trio.lowlevel.checkpoint()
                except GONE:
                    pass

    return send


async def pings_without_end(target):
    await _then(target, *[join_frame([encode_message(Ping(1))] * 100)] * 5, ends_with="too many pings")


async def malformed_messages(target):
    good = encode_message(Graft(SYMBOL))
    for raw in (
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        join_frame([good])[:-1],
        join_frame([cbor.encode([999, 1])]),
        join_frame([cbor.encode(["1"])]),
        join_frame([b"\xbf\xff"]),
        join_frame([b"\x81" * 3_000]),
        join_frame([os.urandom(400)]),
        join_frame([good + b"\0"]),
        b"",
        join_frame([encode_message(Fetch(SYMBOL, ()))[:-1] + b"\x05"]),
    ):
        for role in Role:
            await _then(target, raw, role=role, ends_with="malformed frame")


async def peer_messages_from_a_client(target):
    op = Author(target.manifest.chain_id).op()
    messages = [
        Subscribe((SYMBOL,)),
        Graft(SYMBOL),
        IWant((bytes(32),)),
        Push(SYMBOL, encode_message(Bodies(SYMBOL, (op,)))),
        Bodies(SYMBOL, (op,)),
        Sync(SYMBOL, 0, 1),
        AskVotes(SYMBOL, 0),
        Ack(SYMBOL, op.id, AckLevel.CERTIFIED, 5, ""),
        Answer(1, True, b"{}"),
    ]
    frames = [join_frame(map(encode_message, messages))] * 8
    await _then(target, *frames, ends_with="too many forged")


def forged(op):
    """The same op with a signature that is not its author's."""
    return decode_op(cbor.encode([op.signed, bytes(63) + b"\x01"]))


async def forged_ops_from_a_client(target):
    author, other = Author(target.manifest.chain_id), Author(OTHER_NETWORK)
    async with target.shaken() as connection:
        messages = [Submit(forged(author.op())) for _ in range(100)] + [Submit(other.op()) for _ in range(20)]
        await connection.send_message(join_frame(map(encode_message, messages)))
        acks = 0
        with trio.fail_after(10):
            while acks < 120:
                acks += (await connection.get_message()).count(b"bad-signature")
                acks += 20 if acks == 100 else 0


async def forged_ops_from_a_peer(target):
    author = Author(target.manifest.chain_id)
    pushes = [Push(SYMBOL, encode_message(Bodies(SYMBOL, (forged(author.op()),)))) for _ in range(FAULTS)]
    await _then(target, join_frame(map(encode_message, pushes)), role=Role.PEER, ends_with="too many forged")
    bodies = [Bodies(SYMBOL, (forged(author.op()),)) for _ in range(FAULTS)]
    await _then(target, join_frame(map(encode_message, bodies)), role=Role.PEER, ends_with="too many forged")


async def gossip_that_is_none(target):
    other = Author(OTHER_NETWORK)
    strange = [Push(SYMBOL, encode_message(Bodies(SYMBOL, (other.op(),)))) for _ in range(10)]
    garbage = [Push(SYMBOL, os.urandom(100)) for _ in range(FAULTS)]
    await _then(target, join_frame(map(encode_message, strange + garbage)), role=Role.PEER, ends_with="too many forged")


# UDP


def dht_garbage(count):
    """A flood of datagrams: noise, deep nesting, cut-off valid ones, another network's."""

    async def send(target):
        network = datagram.network_of(target.manifest.chain_id)

        def request(network=network):
            key = stranger().public_key
            return datagram.encode_request(
                network, datagram.Request(os.urandom(16), key, datagram.FIND_NODE, [bytes(20)])
            )

        whole = request()
        kinds = [
            os.urandom(1 + os.urandom(1)[0]),
            b"\x81" * 1_200,
            whole[:100],
            whole[:-1],
            request(bytes(8)),
            os.urandom(1_400),
            cbor.encode([1, network, os.urandom(16), stranger().public_key, [[]]]),
        ]
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sock:
            await sock.bind((target.source, 0))
            for number in range(count):
                await sock.sendto(kinds[number % len(kinds)], target.dht)
                if number % 20 == 0:
                    await trio.sleep(0.001)  # The flood, not the kernel's buffer, is what is tested.

    return send


DHT_REASONS = [
    f"dht: datagrams_refused:{reason}" for reason in ("garbage", "other-network", "oversize", "unasked-reply")
]

SLOW = [  # Turned away at a deadline of the handshake.
    (says_nothing, ["connection: not a websocket"]),
    (half_an_upgrade, ["connection: not a websocket"]),
    (random_bytes, ["connection: not a websocket"]),
    (tls_to_a_plain_port, ["connection: not a websocket"]),
    (an_upgrade_and_then_silence, ["handshake: handshake-too-slow"]),
]
QUICK = [
    (bad_websocket_frames, ["connection: "]),
    (of_another_network, ["handshake: wrong-network"]),
    (of_another_version, ["handshake: wrong-version"]),
    (of_an_older_wire, ["handshake: wrong-version"]),
    (with_its_own_key, ["handshake: self-connection"]),
    (with_a_bad_signature, ["handshake: bad-handshake-signature"]),
    (replaying_a_handshake, ["handshake: bad-handshake-signature"]),
    (malformed_hellos, ["handshake: malformed-handshake"]),
    (oversize_frames(Role.CLIENT), ["links ended: Exceeded maximum message size"]),
    (oversize_frames(Role.PEER), ["links ended: Exceeded maximum message size"]),
    (text_frames, ["links ended: they sent text"]),
    (tiny_fragments_without_end, ["links ended: too many websocket frames"]),
    (odd_frames_without_end(frame(9, b"")), ["links ended: too many websocket frames"]),
    (odd_frames_without_end(frame(10, b"x")), ["links ended: too many websocket frames"]),
    (pings_without_end, ["links ended: too many pings"]),
    (malformed_messages, ["malformed frame"]),
    (peer_messages_from_a_client, ["a client sent what only peers send"]),
    (forged_ops_from_a_client, ["submit refused: bad-signature", "submit refused: wrong-network"]),
    (forged_ops_from_a_peer, ["a forged op", "links ended: too many forged"]),
    (gossip_that_is_none, ["an op of another network or pair", "malformed gossip"]),
]


def reasons(status):
    """What a peer refused, and why its links ended, by reason."""
    ended = {name: count for name, count in status["counts"].items() if name.startswith("links ended: ")}
    return status["rejected"] | ended


def count(found, prefix):
    return sum(number for reason, number in found.items() if reason.startswith(prefix))


def counted(status, prefix):
    return count(reasons(status), prefix)
