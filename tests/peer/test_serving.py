"""What a peer serves to others costs no more than what it is asked for."""

from consensus.kit import SYMBOL

from gossipbook.consensus.messages import FETCH_IDS_CAP, Bodies
from gossipbook.effects import Send

from .bench import PeerBench, PeerScript


def test_one_id_many_times_is_one_body() -> None:
    script = PeerScript()
    script.bench = PeerBench(None)
    script.run("link a")
    script.run("op o1 alice buy 1")
    script.run("gossip o1 from=a")
    pair = script.bench.core.pairs[SYMBOL]
    op = script.bench.ops["o1"]
    (effect,) = pair.bodies.serve(script.link("a"), (op.id,) * FETCH_IDS_CAP)
    assert isinstance(effect, Send)
    assert effect.message == Bodies(SYMBOL, (op,))
