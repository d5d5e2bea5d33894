"""What an op did in a block is found at little cost, and is what looking at each event for each command finds."""

import random

import pytest
from consensus.kit import SYMBOL, identity, network

from gossipbook.crdt.interpretation import Interpretation
from gossipbook.crdt.op import GENESIS_PREV, Op, sign_op
from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AnyPlace,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    OrderType,
    PairState,
    Place,
    PlaceSpecial,
    SetState,
    Side,
    TimeInForce,
)
from gossipbook.matching.events import name_event
from gossipbook.trade.outcome import OwnEvents, _belongs

WARDEN = identity("a0").public_key


def some_command(rng: random.Random, last_id: int) -> Command:
    """A command of any kind; one that places takes the next id."""
    side, price, qty = Side(rng.choice((1, 2))), rng.randrange(95, 106), rng.randrange(1, 9)
    client_id = rng.randrange(1, last_id + 2)
    rare: list[Command] = [
        *(CancelAll(0), CancelAll(1), Lease(rng.randrange(5_000)), JoinGroup(identity("a1").public_key)),
        *(AdmitToGroup(identity("a2").public_key), SetState(PairState.OPEN), SetState(PairState.AUCTION)),
    ]
    tif = TimeInForce(rng.choice((1, 3, 4)))
    place = Place(last_id + 1, side, OrderType.LIMIT, price, qty, tif, 0, rng.choice((1, 2, 3, 4)), 0)
    iceberg = PlaceSpecial(last_id + 1, side, OrderType.LIMIT, price, 9, TimeInForce.GTC, display_lots=3)
    amend = Amend(client_id, price, qty, rng.choice((0, 1)))
    kinds: list[Command] = [*[place] * 5, iceberg, Cancel(client_id), Cancel(client_id), amend, amend, rng.choice(rare)]
    return rng.choice(kinds)


@pytest.mark.parametrize("seed", range(20))
def test_many_ops_find_what_each_alone_would(seed: int) -> None:
    rng = random.Random(seed)
    manifest, _ = network(rules_version=2, wardens=(WARDEN,))
    state = Interpretation(manifest, SYMBOL)
    heads: dict[str, tuple[int, bytes]] = {}
    last_ids: dict[str, int] = {}
    compared = 0
    for block in range(1, 7):
        ops: list[Op] = []
        for _ in range(12):
            who = f"a{rng.randrange(3)}"
            commands = []
            for _ in range(rng.randrange(1, 5)):
                commands.append(some_command(rng, last_ids.get(who, 0)))
                if isinstance(commands[-1], AnyPlace):
                    last_ids[who] = last_ids.get(who, 0) + 1
            seq, prev = heads.get(who, (0, GENESIS_PREV))
            op = sign_op(identity(who), manifest.chain_id, SYMBOL, seq, prev, commands)
            heads[who] = (seq + 1, op.id)
            ops.append(op)
        events = tuple(map(name_event, state.execute(3_000 * block, ops).events))
        state.commit()
        for op in ops:
            each = tuple(e for e in events if any(_belongs(e, op.author, command) for command in op.commands))
            assert OwnEvents(op.author, events).of(op) == each
            together = [other for other in ops if other.author == op.author]
            of_all = OwnEvents(op.author, events, together)
            assert set(of_all.of(op)) <= set(each), "less the answers to others' cancels and amends"
            compared += len(each)
    assert compared > 100
