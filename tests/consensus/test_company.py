"""Blocks of newcomers alone are a moment apart: keys cost nothing, and blocks do."""

from gossipbook.consensus.committee import COMMIT
from gossipbook.consensus.config import ConsensusConfig
from gossipbook.consensus.events import PoolGrew, WakeTimer
from gossipbook.consensus.messages import FinalizedBlock, Propose
from gossipbook.effects import SetTimer

from .kit import SYMBOL, Bench, buy

PAUSE_MS = ConsensusConfig().newcomer_pause_ms


class Leader(Bench):
    """A leader that waits as leaders do."""

    config = ConsensusConfig()

    def proposed(self) -> list[bytes]:
        return [message.block for message in self.sent if isinstance(message, Propose)]

    def final(self, name: str) -> None:
        fc = self.certificate(COMMIT, name, 0, "bcd")
        self.deliver("b", FinalizedBlock(SYMBOL, 0, self.blocks[name].raw, fc, ()))

    def come(self, name: str, author: str, client_id: int = 1) -> None:
        self.op(name, author, buy(client_id))
        self.hold(name)
        self.turn(PoolGrew())


def certify(leader: Leader) -> None:
    """Let the proposed block become final."""
    (block,) = leader.replica.member.chain.held()
    leader.blocks[block.id.hex()] = block
    leader.final(block.id.hex())


def test_a_newcomer_alone_waits_for_nobody_but_the_last_one() -> None:
    leader = Leader("a")
    leader.come("o1", "alice")
    assert len(leader.proposed()) == 1
    certify(leader)
    leader.advance(PAUSE_MS // 2)
    leader.come("o2", "bob")
    leader.advance(PAUSE_MS // 2 - 1)
    assert len(leader.proposed()) == 1
    leader.advance(1)
    assert len(leader.proposed()) == 2


def test_all_newcomers_of_a_moment_share_a_block() -> None:
    leader = Leader("a")
    leader.come("o", "the first")
    certify(leader)
    for number in range(10):
        leader.come(f"o{number}", f"newcomer {number}")
        leader.advance(PAUSE_MS // 20)
    leader.advance(PAUSE_MS)
    assert len(leader.proposed()) == 2
    assert len(leader.replica.member.chain.held()[0].op_ids) == 10


def test_who_is_known_takes_newcomers_along_at_once() -> None:
    leader = Leader("a")
    leader.come("o", "alice")
    certify(leader)
    leader.come("o1", "bob")
    assert len(leader.proposed()) == 1
    leader.come("o2", "alice", 2)
    assert len(leader.proposed()) == 2
    assert len(leader.replica.member.chain.held()[0].op_ids) == 2


def test_timers_of_a_stream_of_newcomers_are_few() -> None:
    leader = Leader("a")
    leader.come("o", "the first")
    certify(leader)
    before = len(leader.turns)
    for number in range(50):
        leader.come(f"o{number}", f"newcomer {number}")
    timers = [effect for turn in leader.turns[before:] for effect in turn if isinstance(effect, SetTimer)]
    assert len(timers) <= 2  # The round's, and one for the pause.


def test_a_timer_that_is_early_by_this_clock_is_set_again() -> None:
    leader = Leader("a")
    leader.come("o", "the first")
    certify(leader)
    leader.come("o1", "alice")
    leader.advance(PAUSE_MS // 2)
    before = len(leader.turns)
    leader.turn(WakeTimer(SYMBOL))
    assert any(isinstance(effect, SetTimer) for turn in leader.turns[before:] for effect in turn)
    leader.advance(PAUSE_MS // 2)
    assert len(leader.proposed()) == 2
