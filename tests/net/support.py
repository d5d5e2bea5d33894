"""What the tests on real sockets share: small networks in this process, authors, and rude strangers."""

import os
import socket
import struct
from contextlib import asynccontextmanager

import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.limits import Timing
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import OrderType, Place, Side, TimeInForce
from gossipbook.net.opening import open_runtime
from gossipbook.net.service import Service
from gossipbook.net.settings import NetSettings
from gossipbook.peer.config import PeerConfig
from gossipbook.storage.keys import create_key
from gossipbook.trade.opening import open_client
from gossipbook.trade.wallet import Wallet
from gossipbook.wire.handshake import Handshake, Role

SYMBOL = "BTC-USD"
TIMING = Timing(network_delay_ms=50, full_block_ms=200, timeout_base_ms=1_000)


async def until(condition, within_s=20.0, every_s=0.02):
    """Poll until something holds, and return it; a deadline, not a sleep, decides."""
    with trio.fail_after(within_s):
        while True:
            value = condition()
            if hasattr(value, "__await__"):
                value = await value
            if value:
                return value
            await trio.sleep(every_s)


def stranger():
    return Identity(os.urandom(SEED_BYTES))


def make_network(folder, count, *, fault_model=None, name="test"):
    """Keys for ``count`` peers in folders of their own, and the manifest that seats them all."""
    names = [f"peer{number}" for number in range(1, count + 1)]
    keys = [create_key(folder / name / "keys" / "peer.key") for name in names]
    return Manifest(
        name=name,
        pairs=(Pair(SYMBOL),),
        matchers=tuple(Matcher(name, key.public_key, name) for name, key in zip(names, keys, strict=True)),
        committee_size=count,
        fault_model=fault_model or ("byzantine" if count >= 4 else "crash"),
        timing=TIMING,
    )


@asynccontextmanager
async def open_peer(manifest, folder, **settings):
    """One peer in this process; without the DHT unless that is asked for."""
    defaults = {"folder": folder, "dht": False, "peer": PeerConfig.local()}
    async with open_runtime(manifest, NetSettings(**(defaults | settings))) as runtime:
        Service(runtime)
        yield runtime


class Author:
    """Signs alternating buys and sells of one price, so that they trade."""

    def __init__(self, chain_id, identity=None):
        self.wallet = Wallet(identity or stranger(), chain_id)

    def op(self, pair=SYMBOL, **changes):
        number = self.wallet.next_client_id(pair)
        side = Side.BUY if number % 2 else Side.SELL
        order = Place(number, side, OrderType.LIMIT, 100, 5, TimeInForce.GTC, self_trade=2)
        return self.wallet.sign(pair, [order._replace(**changes)])


async def certify(client, author, count=1):
    """Submit ops one after another, each after the one before it is certified; the last height."""
    height = 0
    for _ in range(count):
        with trio.fail_after(20):
            height = (await (await client.submit(author.op())).certified()).height
    return height


async def status(address, chain_id):
    with trio.fail_after(10):
        async with open_client(address, chain_id) as client:
            return await client.query("status")


def make_hello(chain_id=bytes(32), identity=None, *, dialled=True, role=Role.PEER):
    return Handshake(identity or stranger(), chain_id, dialled=dialled, nonce=os.urandom(32), role=role).hello()


# Strangers


@asynccontextmanager
async def tcp(address, source="127.0.0.1"):
    """A bare TCP connection to ``ws://host:port`` from a loopback address of choice."""
    host, _, port = address.removeprefix("wss://").removeprefix("ws://").partition(":")
    stream = await trio.open_tcp_stream(host, int(port), local_address=source)
    async with stream:
        yield stream


def reset(stream):
    """End a connection with an RST in place of a goodbye."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


@asynccontextmanager
async def websocket(address, source="127.0.0.1"):
    """A websocket that has not shaken hands; the stream below it is ``.below``, for what the library would not send."""
    async with tcp(address, source) as stream:
        try:
            async with trio.open_nursery() as nursery:
                connection = await wrap_client_stream(nursery, stream, "localhost", "/")
                connection.below = stream
                try:
                    yield connection
                finally:
                    nursery.cancel_scope.cancel()
        except* trio.BusyResourceError:
            pass  # The library answered a goodbye while we were writing below it.


@asynccontextmanager
async def shaken(address, manifest, identity=None, *, role=Role.CLIENT, source="127.0.0.1", addresses=()):
    """A websocket of somebody who is whom they say they are, and then does as they please."""
    async with websocket(address, source) as connection:
        handshake = Handshake(
            identity or stranger(),
            manifest.chain_id,
            dialled=True,
            nonce=os.urandom(32),
            role=role,
            addresses=addresses,
        )
        await connection.send_message(handshake.hello())
        await connection.send_message(handshake.answer(await connection.get_message()))
        handshake.finish(await connection.get_message())
        yield connection


async def closed(connection, within_s=40.0):
    """Read until the other side closes; its reason."""

    with trio.fail_after(within_s):
        while True:
            try:
                await connection.get_message()
            except ConnectionClosed as error:
                return error.reason.reason if error.reason is not None else None
