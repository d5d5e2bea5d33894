"""A network of processes to trade in: its peers, one of which may lie, and what its certified chain holds."""

import json
import sys
from pathlib import Path
from typing import ClassVar

import trio
from cli.support import Network as ProcessNetwork
from cli.support import invoke

from gossipbook.cli.output import read_manifest
from gossipbook.crdt.op import Op, open_op
from gossipbook.ids import PublicKey
from gossipbook.manifest import Manifest
from gossipbook.trade.opening import open_client

PAIRS = ["KILL-USD", "STOP-USD", "LIE-USD", "LOST-USD", "BULK-USD", "CALL-USD"]
LIAR = 4
LIAR_PROGRAM = [sys.executable, str(Path(__file__).parent / "lying_peer.py")]


class RealNetwork(ProcessNetwork):
    """The peers, their manifest, and what their certified chain holds."""

    programs: ClassVar[dict[int, list[str]]] = {LIAR: LIAR_PROGRAM}

    @property
    def manifest_file(self) -> Path:
        return self.folder / "network.toml"

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.manifest_file)

    def address(self, number: int) -> str:
        listen: str = self.endpoint(number)["listen"]
        return listen

    def lie(self, name: str) -> None:
        """Have the fourth peer lie to clients from now on; not any more with ""."""
        (self.home(LIAR) / "lie").write_text(name)

    def certified(self, pair: str, author: PublicKey, peer: int = 1) -> list[Op]:
        """An author's ops in the order of a peer's export. Fails if one is twice there, or missing."""
        file = self.folder / f"{pair}.export"
        invoke("export", pair, "--home", self.home(peer), "-o", file)
        items = [item for line in file.read_text().splitlines() for item in json.loads(line).get("ops", ())]
        signed = [(item["signed"], item["signature"]) for item in items if "signed" in item]
        ops = [open_op(bytes.fromhex(body), bytes.fromhex(signature)) for body, signature in signed]
        own = [op for op in ops if op.author == author]
        assert [op.seq for op in own] == list(range(len(own))), "each number once, and none left out"
        assert len({op.id for op in own}) == len(own)
        return own

    async def reached(self, number: int, pair: str, height: int) -> None:
        """Wait until a peer has finalized a block."""
        async with open_client(self.address(number), manifest=self.manifest, links=1) as client:
            with trio.fail_after(20):
                while True:
                    pairs = (await client.query("status"))["pairs"]
                    if next(each["height"] for each in pairs if each["symbol"] == pair) >= height:
                        return
                    await trio.sleep(0.05)
