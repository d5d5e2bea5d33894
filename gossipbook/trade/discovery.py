"""Finding peers for a client through the DHT: a node of its own, under a key of its own, that announces nothing."""

import os
from collections.abc import Callable, Sequence

import trio

from gossipbook.dht.node import open_dht
from gossipbook.errors import ConfigError
from gossipbook.identity import SEED_BYTES, Identity
from gossipbook.ids import PublicKey, pair_key
from gossipbook.manifest import Manifest
from gossipbook.net.address import is_loopback
from gossipbook.net.clock import system_now

LOOKUP_INTERVAL_S = 1.0
SETTLED_LOOKUP_INTERVAL_S = 30.0


async def discover_peers(
    manifest: Manifest,
    bootstrap: Sequence[tuple[str, int]],
    learn: Callable[[str, PublicKey], None],
    is_short: Callable[[], bool],
) -> None:
    """Look up who serves the network's pairs until cancelled: often while links are missing, seldom after.

    ``learn`` is told each address and whose it is said to be: a hint, which the handshake proves or not.
    """
    host = "127.0.0.1" if all(is_loopback(host) for host, _ in bootstrap) else "0.0.0.0"
    async with open_dht(
        identity=Identity(os.urandom(SEED_BYTES)),
        chain_id=manifest.chain_id,
        listen=(host, 0),
        bootstrap=bootstrap,
        matchers=[matcher.public_key for matcher in manifest.matchers],
        wall_ms=lambda: system_now().wall_ms,
    ) as dht:
        while True:
            for symbol in manifest.symbols():
                for record in await dht.lookup(pair_key(manifest.digest, symbol)):
                    for address in record.addresses:
                        try:
                            learn(address, record.public_key)
                        except ConfigError:
                            continue  # One that cannot be dialled helps nobody.
            if is_short():
                await dht.bootstrap(bootstrap)
            await trio.sleep(LOOKUP_INTERVAL_S if is_short() else SETTLED_LOOKUP_INTERVAL_S)
