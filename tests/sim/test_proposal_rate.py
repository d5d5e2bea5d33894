"""A leader of a fast network puts forward no more than its committee takes of anybody."""

import pytest

from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.messages import Propose
from gossipbook.effects import Effect, Now, Send
from gossipbook.peer.allowance import RATES
from gossipbook.peer.events import PeerEvent
from gossipbook.peer.peer import Peer
from gossipbook.scenario.parts import NetworkPart, WorkloadPart
from gossipbook.scenario.scenario import Scenario
from gossipbook.sim.plan import make_plan
from gossipbook.sim.run import run_plan

SECONDS = 4.0


def test_proposals_are_as_far_apart_as_the_others_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = Scenario(
        name="fast",
        network=NetworkPart(peers=4, delay="fixed", delay_ms=(10.0, 10.0)),
        workload=WorkloadPart(seconds=SECONDS, ops_per_s=400.0, makers=8, noise=8, takers=8),
    )
    heights: dict[str, set[int]] = {}
    handle = Peer.handle

    def heard(peer: Peer, event: PeerEvent, now: Now) -> list[Effect]:
        effects = handle(peer, event, now)
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Propose):
                heights.setdefault(effect.message.pair, set()).add(effect.message.height)
        return effects

    monkeypatch.setattr(Peer, "handle", heard)
    outcome = run_plan(make_plan(scenario, 1))
    assert outcome.verdict == "valid", outcome.summary
    most = SECONDS * 1_000 / ConsensusConfig().proposals_apart_ms
    assert 0.5 * most < max(map(len, heights.values())) < 1.2 * most
    assert RATES[Propose].per_s >= 2 * 1_000 / ConsensusConfig().proposals_apart_ms
