"""After a library bot's thousands of orders, the command line with the same key is done within its own patience.

``GOSSIPBOOK_LIBRARY_ORDERS`` says how many, at most the 1,024 that an author may have open.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import trio
from cli.support import BINARY, ENVIRONMENT

from gossipbook.storage.keys import create_key

from .network import RealNetwork

ORDERS = int(os.environ.get("GOSSIPBOOK_LIBRARY_ORDERS", "1000"))
BOT = [sys.executable, str(Path(__file__).parent / "bot.py")]
PAIR = "BULK-USD"
COMMAND_S = 10.0
"""The command's own default patience."""


def test_cancel_all_from_the_command_line(real_network: RealNetwork, tmp_path: Path) -> None:
    key = tmp_path / "bot.key"
    author = create_key(key).public_key
    addresses = [real_network.address(number) for number in (1, 2)]
    began_s = time.monotonic()
    done = subprocess.run(
        [*BOT, str(key), str(real_network.manifest_file), PAIR, str(ORDERS), "200", *addresses],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60 + ORDERS / 20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "done"
    placed_s = time.monotonic() - began_s
    began_s = time.monotonic()
    cancelled = subprocess.run(
        [*BINARY, "order", "cancel-all", PAIR, "--key", str(key), "--home", str(real_network.home(1)), "--json"],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
    )
    took_s = time.monotonic() - began_s
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    assert took_s < COMMAND_S
    print(f"{ORDERS:,} orders placed and certified in {placed_s:.1f} s; cancel-all took {took_s:.2f} s")
    (told,) = json.loads(cancelled.stdout.splitlines()[-1])["pairs"]
    assert (told["outcome"], told["resent"]) == ("certified", 0)
    assert told["cancelled_ids"] == list(range(1, ORDERS + 1))
    trio.run(real_network.reached, 1, PAIR, told["height"])
    assert len(real_network.certified(PAIR, author)) == ORDERS + 1
