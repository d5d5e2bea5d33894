"""Programs in other languages: Node with nothing but fetch and ws, and curl."""

import json
import os
import subprocess
from pathlib import Path

from .conftest import need
from .live import PAIR, Live, until
from .node import INSTALLED, node_module

WITHIN_S = 60
PROGRAM = Path(__file__).parent / "trader.js"


def test_a_node_program_trades(live: Live) -> None:
    node_module("ws")
    environment = os.environ | {
        "URL": live.url,
        "ALICE": live.token("alice"),
        "BOB": live.token("bob"),
        "PAIR": PAIR,
        "NODE_PATH": str(INSTALLED / "node_modules"),
    }
    done = subprocess.run(
        ["node", str(PROGRAM)], capture_output=True, text=True, timeout=WITHIN_S, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["status"] == "certified"
    assert (told["fill"]["price"], told["fill"]["qty"]) == ("44.50", "2")
    assert told["levels"] == told["rest"]
    row = live.get("/v1/order", "alice", pair=PAIR, text_id=told["text"])
    assert (row["filled"], row["status"]) == ("2", "cancelled")


def test_curl_lines(live: Live) -> None:
    need("curl")

    def curl(*arguments: str) -> dict[str, object]:
        command = ["curl", "--silent", "--show-error", "--max-time", "30", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=True)
        return dict(json.loads(done.stdout))

    key = f"Authorization: Bearer {live.token('alice')}"
    order = json.dumps({"pair": PAIR, "side": "buy", "price": "33.25", "qty": "3"})
    placed = curl(f"{live.url}/v1/order", "-H", key, "-H", "Content-Type: application/json", "-d", order)
    assert placed["progress"] == "certified"
    until(lambda: curl(f"{live.url}/v1/book?pair={PAIR}")["bids"], "the book")
    gone = curl("-X", "DELETE", f"{live.url}/v1/order?pair={PAIR}&client_id={placed['client_id']}", "-H", key)
    assert gone["cancelled"] == 1
    assert curl(f"{live.url}/v1/order", "-d", "{}")["status"] in (401, 422)
