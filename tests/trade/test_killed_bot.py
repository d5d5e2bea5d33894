"""A bot killed at any moment, and started again on its key: every op that it signed is certified exactly once."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import trio
from cli.support import ENVIRONMENT

from gossipbook.crdt.op import Op, decode_op
from gossipbook.storage.keys import create_key
from gossipbook.trade.opening import open_client
from gossipbook.trade.wallet import Wallet

from .network import RealNetwork

BOT = [sys.executable, str(Path(__file__).parent / "bot.py")]
PAIR = "KILL-USD"
KILLS = 30
STARTING = 6
"""So many of the bots are killed while they start: before their first order is placed, or about then."""
STEADY_ORDERS = 600
ENOUGH_S = 60.0


def run_bot(
    network: RealNetwork, key: Path, orders: int, at_once: int, peers: tuple[int, ...]
) -> subprocess.Popen[str]:
    addresses = [network.address(number) for number in peers]
    return subprocess.Popen(
        [*BOT, str(key), str(network.manifest_file), PAIR, str(orders), str(at_once), *addresses],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def kill_one(network: RealNetwork, key: Path, kill: int, chance: random.Random) -> list[str]:
    """Start a bot, and kill it; the ids that it said."""
    bot = run_bot(network, key, 0, 4, (1 + kill % 3, 1 + (kill + 1) % 3))
    assert bot.stdout is not None
    assert bot.stderr is not None
    said = []
    try:
        if kill < STARTING:
            time.sleep(0.25 + chance.random() * 0.75)  # A moment of its life, and no condition.
        else:
            said = [bot.stdout.readline() for _ in range(chance.randrange(1, 12))]
            time.sleep(chance.random() * 0.06)
    finally:
        os.kill(bot.pid, signal.SIGKILL)
        rest, errors = bot.stdout.read(), bot.stderr.read()  # What communicate() reads may begin within a line.
        bot.communicate()
    assert "Traceback" not in errors, errors
    lines = "".join((*said, rest)).splitlines(keepends=True)
    return [line.strip() for line in lines if line.endswith("\n")]  # The last one may be half of one.


def signed(key: Path) -> list[Op]:
    """All that the key's wallet ever signed."""
    database = sqlite3.connect(key.with_name(key.name + ".ops"))
    rows = database.execute("SELECT body FROM ops WHERE pair = ? ORDER BY seq", (PAIR,)).fetchall()
    database.close()
    return [decode_op(body) for (body,) in rows]


async def test_every_op_that_a_killed_bot_signed_is_certified_once(real_network: RealNetwork, tmp_path: Path) -> None:
    key = tmp_path / "bot.key"
    author = create_key(key).public_key
    chance = random.Random(2026)
    said: list[str] = []
    for kill in range(KILLS):
        said += await trio.to_thread.run_sync(kill_one, real_network, key, kill, chance)
    manifest = real_network.manifest
    wallet = Wallet.open(key, manifest.chain_id)
    with trio.fail_after(ENOUGH_S):
        async with open_client([real_network.address(2)], manifest=manifest) as client:
            pair = await client.pair(PAIR)
            last = await pair.place(wallet, "sell", price_ticks=1_000, qty_lots=1)
            await last.certified()
            assert wallet.uncertified(PAIR) == []
            await real_network.reached(1, PAIR, last.submission.height)
    wallet.close()
    certified = real_network.certified(PAIR, author)
    assert [op.id for op in certified] == [op.id for op in signed(key)]
    assert set(said) <= {op.id.hex() for op in certified}
    assert len(said) > KILLS


async def test_two_bots_with_one_key_of_which_one_is_killed_again_and_again(
    real_network: RealNetwork, tmp_path: Path
) -> None:
    key = tmp_path / "bot.key"
    author = create_key(key).public_key
    chance = random.Random(7)
    steady = run_bot(real_network, key, STEADY_ORDERS, 2, (1, 2))
    said: list[str] = []
    try:
        for kill in range(STARTING, STARTING + 6):
            said += await trio.to_thread.run_sync(kill_one, real_network, key, kill, chance)
        output, errors = await trio.to_thread.run_sync(lambda: steady.communicate(timeout=ENOUGH_S))
    finally:
        steady.kill()
        steady.wait()
    lines = output.splitlines()
    assert lines[-1:] == ["done"], errors
    assert len(lines) == STEADY_ORDERS + 1
    wallet = Wallet.open(key, real_network.manifest.chain_id)
    with trio.fail_after(ENOUGH_S):
        async with open_client([real_network.address(3)], manifest=real_network.manifest) as client:
            pair = await client.pair(PAIR)
            last = await pair.place(wallet, "sell", price_ticks=1_000, qty_lots=1)
            await last.certified()
            await real_network.reached(1, PAIR, last.submission.height)
    wallet.close()
    certified = real_network.certified(PAIR, author)
    assert [op.id for op in certified] == [op.id for op in signed(key)]
    assert {*said, *lines[:-1]} <= {op.id.hex() for op in certified}
