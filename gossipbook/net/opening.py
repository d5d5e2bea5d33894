"""Opens and closes a peer: folder, journal and core first, then driver, listener, dialler and discovery, as one.

``open_runtime`` returns once the peer listens and, with the DHT on, has joined it. At the end of the block it
withdraws its records, ends its links, and closes the journal.
"""

import itertools
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

import trio

from gossipbook.consensus.records import Finalized
from gossipbook.dht.node import DhtClosed, DhtNode, announce_forever, open_dht
from gossipbook.errors import ConfigError, JournalError, ungrouped
from gossipbook.identity import Identity
from gossipbook.manifest import Manifest
from gossipbook.net.address import parse_host_port
from gossipbook.net.archivist import Archivist
from gossipbook.net.clock import system_now
from gossipbook.net.driver import Driver
from gossipbook.net.good_nodes import load_good_nodes
from gossipbook.net.runtime import LOOKUP_INTERVAL_S, Runtime
from gossipbook.net.settings import NetSettings
from gossipbook.peer.peer import Peer
from gossipbook.storage.folder import PeerFolder
from gossipbook.storage.sqlite import SqliteJournal

WITHDRAW_S = 2.0

Progress = Callable[[int, int], None]


@asynccontextmanager
async def open_runtime(
    manifest: Manifest, settings: NetSettings, progress: Progress = lambda done, total: None
) -> AsyncIterator[Runtime]:
    """Run a peer for the length of the block. ``progress`` is told how many blocks of its journal were executed again.

    Raises:
        GossipbookError: its folder, key, journal, ports or settings are not usable; says which and what to do.
    """
    with ungrouped(), assembled(manifest, settings, progress) as runtime:
        async with going(runtime):
            yield runtime


@contextmanager
def assembled(
    manifest: Manifest, settings: NetSettings, progress: Progress = lambda done, total: None
) -> Iterator[Runtime]:
    """The first half of :func:`open_runtime`: a peer on its folder, its journal executed, that does nothing yet.

    It does not await: an interrupt ends it wherever it is.
    """
    if settings.folder is None:
        raise ConfigError("folder: a peer needs a folder for its key and journal")
    with ExitStack() as stack:
        folder = stack.enter_context(PeerFolder(settings.folder))
        identity = folder.identity()
        journal = folder.open_journal(identity, manifest.chain_id)
        stack.callback(journal.close)
        archivist = Archivist(manifest, folder.data)
        stack.callback(archivist.close)
        yield _assemble(manifest, identity, settings, journal, archivist, progress)


@asynccontextmanager
async def going(runtime: Runtime) -> AsyncIterator[None]:
    """The second half: it listens, dials and is found, for the length of the block."""
    async with trio.open_nursery() as nursery:
        async with AsyncExitStack() as inner:
            await _go(runtime, nursery, inner)
            yield
            await runtime.driver.hand_over()
            await _withdraw(runtime)
        nursery.cancel_scope.cancel()


def _assemble(
    manifest: Manifest,
    identity: Identity,
    settings: NetSettings,
    journal: SqliteJournal,
    archivist: Archivist,
    progress: Progress,
) -> Runtime:
    rng = random.Random(os.urandom(16))
    peer = Peer(manifest, identity, rng=rng, config=settings.peer)
    stored = journal.load()
    total, done = sum(len(pair.chain) for pair in stored.values()), itertools.count(1)

    def replayed(final: Finalized) -> None:
        archivist.replayed(final)
        progress(next(done), total)

    problems = peer.restore(stored, system_now(), journal.observer, replayed)
    if problems:
        raise JournalError(f"{journal.folder}: {'; '.join(problems)}. Nothing was changed; do not use this folder.")
    archivist.catch_up()
    driver = Driver(peer, journal)
    driver.subscribers.append(archivist.take)
    return Runtime(settings, peer, driver, archivist)


async def _go(runtime: Runtime, nursery: trio.Nursery, stack: AsyncExitStack) -> None:
    await runtime.listen(nursery)
    guard = runtime.driver.guard
    nursery.start_soon(guard.keep, "the archivist", runtime.archivist.run)
    await nursery.start(runtime.driver.run)
    nursery.start_soon(guard.keep, "the dialler", runtime.keep_dialling, nursery)
    settings = runtime.settings
    if not settings.dht:
        return
    seeds = runtime.seeds
    seeds += [parse_host_port(address) for address in settings.bootstrap] + load_good_nodes(runtime.good_nodes_file)
    runtime.dht = await stack.enter_async_context(
        open_dht(
            identity=runtime.identity,
            chain_id=runtime.manifest.chain_id,
            listen=parse_host_port(settings.dht_listen),
            advertise=parse_host_port(settings.dht_advertise) if settings.dht_advertise else None,
            bootstrap=list(seeds),
            matchers=[matcher.public_key for matcher in runtime.manifest.matchers],
            refusals=runtime.peer.refusals,
            wall_ms=lambda: system_now().wall_ms,
        )
    )
    nursery.start_soon(guard.keep, "announcing", _announce, runtime, runtime.dht)
    nursery.start_soon(guard.keep, "discovery", _discover, runtime, runtime.dht)
    nursery.start_soon(guard.keep, "joining the DHT", _rejoin, runtime, runtime.dht)


async def _announce(runtime: Runtime, dht: DhtNode) -> None:
    try:
        await announce_forever(dht, list(runtime.keys().values()), runtime.make_record)
    except DhtClosed:
        return  # The block is ending.


async def _discover(runtime: Runtime, dht: DhtNode) -> None:
    try:
        await runtime.discover(dht)
    except DhtClosed:
        return


async def _rejoin(runtime: Runtime, dht: DhtNode) -> None:
    """A bootstrap node that was not there yet may be there now."""
    try:
        while True:
            await trio.sleep(LOOKUP_INTERVAL_S)
            if runtime.seeds and (not dht.good_nodes() or runtime.peer.wanted_peers()):
                await dht.bootstrap(list(runtime.seeds))
    except DhtClosed:
        return


async def _withdraw(runtime: Runtime) -> None:
    """Say that we are gone, as far as there is time."""
    if runtime.dht is None:
        return
    with trio.move_on_after(WITHDRAW_S):
        for key in runtime.keys().values():
            await runtime.dht.withdraw(key)
