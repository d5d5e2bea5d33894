"""A face under the wrong event loop is refused with the name of the right one."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import gossipbook
import gossipbook.aio
import gossipbook.sync

CHAIN = bytes(32)
NOWHERE = "ws://127.0.0.1:1"
NAMES = r"gossipbook in trio programs, gossipbook\.aio in asyncio programs, gossipbook\.sync in plain ones"

TRIO_FACE = [
    lambda: gossipbook.open_client(NOWHERE, CHAIN),
    lambda: gossipbook.open_peer(pairs=["BTC-USD"]),
]


@pytest.mark.parametrize("opens", TRIO_FACE, ids=["open_client", "open_peer"])
def test_the_trio_face_under_asyncio(opens: Callable[[], gossipbook.loops._TrioContext[object]]) -> None:
    async def main() -> None:
        async with opens():
            pass

    with pytest.raises(gossipbook.WrongLoop, match=f"for trio programs, and asyncio runs here.*{NAMES}"):
        asyncio.run(main())


@pytest.mark.parametrize("opens", TRIO_FACE, ids=["open_client", "open_peer"])
def test_the_trio_face_in_a_plain_program(opens: Callable[[], gossipbook.loops._TrioContext[object]]) -> None:
    with (
        pytest.raises(gossipbook.ConfigError, match=f"for trio programs, and no event loop runs here.*{NAMES}"),
        opens(),
    ):
        pass


async def test_the_trio_face_is_entered_with_async_with() -> None:
    with pytest.raises(gossipbook.WrongLoop, match="is entered with `async with`"):
        gossipbook.open_client(NOWHERE, CHAIN).__enter__()  # type: ignore[attr-defined]


async def test_a_client_of_trio_is_not_for_another_thread() -> None:
    async with gossipbook.open_peer(pairs=["BTC-USD"]) as peer:
        pair, wallet = peer.pair("BTC-USD"), peer.wallet()

        def elsewhere() -> None:
            asyncio.run(pair.place(wallet, "buy", price_ticks=1, qty_lots=1))

        with pytest.raises(gossipbook.WrongLoop, match="EmbeddedPair is for trio programs, and asyncio runs here"):
            await trio.to_thread.run_sync(elsewhere)


async def test_the_other_faces_under_trio() -> None:
    with pytest.raises(gossipbook.WrongLoop, match=rf"gossipbook\.aio\.open_client .* trio runs here: .*{NAMES}"):
        async with gossipbook.aio.open_client(NOWHERE, CHAIN):
            pass
    with (
        pytest.raises(gossipbook.WrongLoop, match=rf"gossipbook\.sync\.open_client waits, .* trio loop .*{NAMES}"),
        gossipbook.sync.open_client(NOWHERE, CHAIN),
    ):
        pass


def test_the_plain_face_under_asyncio() -> None:
    async def main() -> None:
        with gossipbook.sync.open_peer(pairs=["BTC-USD"]):
            pass

    with pytest.raises(gossipbook.WrongLoop, match=rf"gossipbook\.sync\.open_peer waits, .* asyncio loop .*{NAMES}"):
        asyncio.run(main())


def test_a_plain_client_that_an_asyncio_loop_would_wait_for() -> None:
    with gossipbook.sync.open_peer(pairs=["BTC-USD"]) as peer:
        pair, wallet = peer.pair("BTC-USD"), peer.wallet()

        async def main() -> None:
            pair.place(wallet, "buy", price_ticks=1, qty_lots=1)

        with pytest.raises(gossipbook.WrongLoop, match=rf"EmbeddedPair\.place waits, .*{NAMES}"):
            asyncio.run(main())
        assert wallet.next_client_id("BTC-USD") == 1, "nothing was signed"


def test_a_call_back_from_the_thread_that_would_have_to_answer() -> None:
    with gossipbook.sync.open_peer(pairs=["BTC-USD"]) as peer:
        pair, wallet = peer.pair("BTC-USD"), peer.wallet()
        for ask in (pair.book, lambda: pair.cancel(wallet, 1)):
            with pytest.raises(gossipbook.WrongLoop):
                pair.submit_made(wallet, lambda _, ask=ask: ask())  # type: ignore[misc]
        assert pair.height == 0


def test_a_cell_of_a_notebook_is_a_plain_program(tmp_path: Path) -> None:
    """A kernel runs each cell inside its own asyncio loop."""
    (tmp_path / "IPython.py").write_text("def get_ipython():\n    return object()\n")
    cell = (
        "import asyncio, IPython, gossipbook.sync\n"
        "async def cell():\n"
        "    with gossipbook.sync.open_peer(pairs=['BTC-USD']) as peer:\n"
        "        print(peer.pair('BTC-USD').state()[0])\n"
        "asyncio.run(cell())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", cell], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("certifying", 0), done.stderr
