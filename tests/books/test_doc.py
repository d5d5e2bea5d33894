"""The document for consumers: its code runs, on its own, and finds what it says that it finds."""

import hashlib
import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from matching.chaos import ARENAS, Chaos

from gossipbook.books.changes import BlockChanges
from gossipbook.books.checksum import book_checksum
from gossipbook.books.follower import BookUpdate
from gossipbook.books.levels import Level
from gossipbook.cli.trade.following import update_json
from gossipbook.manifest import Pair

from .kit import Stage

TEXT = (Path(__file__).parents[2] / "docs" / "BOOKS.md").read_text(encoding="utf-8")
SPEC = Pair("A/B", "0.25", "0.10")


def snippet() -> str:
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "stdin" in block)
    return code


def lines(level: int = 2) -> list[dict[str, Any]]:
    """What the command prints of some random blocks."""
    arena = ARENAS["auctioned"]
    stage, chaos = Stage(arena.rules), Chaos(7, arena)
    book = stage.shelf.l3
    book.spec = SPEC
    for _ in range(5):
        stage.play(chaos.time_ms, chaos.block(stage.duel.oracle))
    found = [line(stage, level, 0, "start", book.everything())]
    for _ in range(60):
        previous = book.sequence
        changes = stage.play(chaos.time_ms, chaos.block(stage.duel.oracle))
        found.append(line(stage, level, previous, "", changes))
    return found


def line(stage: Stage, level: int, previous: int, reset: str, changes: BlockChanges) -> dict[str, Any]:
    book = stage.shelf.l3
    update = BookUpdate(
        SPEC.symbol, book.height, book.time_ms, previous, book.sequence, reset, (), *changes,
        top=book.l1(), state=book.state, checksum=book.checksum(), digest=book.digest(),
    )  # fmt: skip
    return update_json(update, level, SPEC)


def run(updates: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    text = "".join(json.dumps(update) + "\n" for update in updates)
    isolated = [sys.executable, "-I", "-S", "-c", snippet()]  # Without our library, or anybody's.
    return subprocess.run(isolated, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_code_follows_a_book() -> None:
    updates = lines()
    assert any(level["qty"] == "0.00" for update in updates for side in ("bids", "asks") for level in update[side])
    done = run(updates)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{updates[-1]['sequence']}: ")
    assert run([*updates, *updates]).returncode == 0, "a reset starts again"


def test_the_code_notices_a_lost_and_a_changed_update() -> None:
    updates = lines()
    at = next(number for number, update in enumerate(updates[1:], 1) if update["bids"] and update["sequence"])
    assert "updates are missing" in run([*updates[:at], *updates[at + 1 :]]).stderr
    level = updates[at]["bids"][0]
    level["qty"] = "7.70" if level["qty"] != "7.70" else "0.00"
    assert "the book differs" in run(updates).stderr


def test_it_is_fifteen_lines_or_so() -> None:
    body = [row for row in snippet().splitlines() if row and not row.startswith(("import", "print"))]
    assert len(body) <= 15


def test_the_example_of_the_checksum() -> None:
    asks = [Level(401, 12, 1), Level(402, 1, 1)]
    bids = [Level(399, 300, 1), Level(1, 5, 1)]
    assert str(book_checksum(SPEC, bids, asks)) in TEXT


def test_the_digest_of_the_document_from_the_steps_of_level_3() -> None:
    queues: dict[str, dict[int, dict[tuple[str, int], int]]] = {"bid": {}, "ask": {}}
    for update in lines(3):
        for step in update["orders"]:
            queue = queues[step["side"]].setdefault(step["price_ticks"], {})
            if step["action"] == "remove":
                del queue[step["author"], step["client_id"]]
            else:
                queue[step["author"], step["client_id"]] = step["lots"]
        body = b""
        for side, sign in (("bid", -1), ("ask", 1)):
            orders = [
                struct.pack(">QQQ", price, lots, client_id) + bytes.fromhex(author)
                for price in sorted(queues[side], key=lambda price, sign=sign: sign * price)  # type: ignore[misc]
                for (author, client_id), lots in queues[side][price].items()
            ]
            body += struct.pack(">I", len(orders)) + b"".join(orders)
        hashed = hashlib.sha256(b"gossipbook/l3-book\0" + struct.pack(">I", len(body)) + body)
        assert hashed.hexdigest() == update["digest"]
