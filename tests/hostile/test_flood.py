"""Half a minute of strangers who send everything there is to four real peers, while honest traders trade."""

from contextlib import AsyncExitStack
from pathlib import Path

from gossipbook.trade.opening import open_client

from .flood import Trader, four_peers, resident_bytes, strangers, told_by, trade_for

FLOOD_S, STRANGERS, CORES = 30.0, 20, 0.5
PER_S = 10.0
LEAST_SENT = 5_000
MEMORY_GROWTH_CAP = 64 * 2**20


async def test_honest_trade_goes_on_in_a_flood(tmp_path: Path) -> None:
    async with four_peers(tmp_path) as network, AsyncExitStack() as stack:
        chain = network.manifest.chain_id
        clients = [await stack.enter_async_context(open_client(p.address, chain, links=1)) for p in network.peers]
        traders = [Trader(network, client) for client in clients]
        await trade_for(network, traders, 2.0, PER_S)
        memory = [resident_bytes(peer.pid or 0) for peer in network.peers]
        async with strangers(network, STRANGERS, FLOOD_S, CORES) as sent:
            flooded = await trade_for(network, traders, FLOOD_S, PER_S)
            sent_in_all = sent()
        print(flooded.told(), dict(sent_in_all))
        assert len(flooded.waits_s) == FLOOD_S * PER_S, "each honest order was certified, over the link that it had"
        assert sum(sent_in_all.values()) > LEAST_SENT
        names = {matcher.name for matcher in network.manifest.matchers}
        for peer, before in zip(network.peers, memory, strict=True):
            status = await told_by(peer.address, chain)
            (pair,) = status["pairs"]
            assert (pair["state"], pair["absent"]) == ("certifying", [])
            assert any(reason.startswith("rate: ") for reason in status["rejected"])
            assert resident_bytes(peer.pid or 0) - before < MEMORY_GROWTH_CAP
            log = (peer.folder / "log.txt").read_text()
            assert "Traceback" not in log
            down = [line for line in log.splitlines() if "link down" in line and any(f"{n}:" in line for n in names)]
            down = [line for line in down if "replaced by a newer link" not in line]  # Both had dialled, as they start.
            assert not down, "nobody honest is cut off"
        for peer in network.peers:
            assert await peer.stop() == 0
