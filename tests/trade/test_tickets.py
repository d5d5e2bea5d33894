"""A trader's words: what is refused before it is signed is exactly what the rules would refuse for itself."""

from dataclasses import asdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossipbook.errors import ConfigError
from gossipbook.limits import Limits
from gossipbook.manifest import Manifest, Matcher, Pair
from gossipbook.matching.commands import CancelAll, Lease, Place, PlaceFlags, PlaceSpecial, SelfTrade, SetState, Side
from gossipbook.matching.engine import Engine
from gossipbook.matching.events import REJECTED, RejectReason
from gossipbook.trade.tickets import (
    KINDS,
    SELF_TRADES,
    STATES,
    TIFS,
    BadOrder,
    LaterRules,
    Ticket,
    cancel_all,
    good_until_ms,
    require_rules,
    set_state,
)

CONTRADICTIONS = {RejectReason.INVALID_COMBINATION, RejectReason.TOO_MANY_SLICES}
AUTHOR = b"a" * 32


def verdict(command: Place | PlaceSpecial) -> RejectReason | None:
    engine = Engine(Pair("A/B"), Limits())
    engine.begin_block(1)
    engine.run(AUTHOR, [command])
    (event, *_) = engine.end_block()
    return RejectReason(event[5]) if event[0] == REJECTED else None


def test_the_words_are_these() -> None:
    assert [set(table) for table in (TIFS, KINDS, SELF_TRADES, STATES)] == [
        {"gtc", "gtd", "ioc", "fok"},
        {"limit", "market", "stop", "stop-limit"},
        {"cancel-taker", "cancel-maker", "cancel-both", "decrement", "allow"},
        {"open", "post-only", "cancel-only", "halted", "auction"},
    ]


@given(
    kind=st.sampled_from(sorted(KINDS)),
    tif=st.sampled_from(sorted(TIFS)),
    post_only=st.sampled_from([False, True, "slide"]),
    expires_ms=st.sampled_from([0, 50]),
    qty_lots=st.sampled_from([1, 3, 500]),
    display_lots=st.sampled_from([0, 0, 1, 3, 5]),
    min_lots=st.sampled_from([0, 0, 1, 3, 4]),
    stop_ticks=st.sampled_from([0, 0, 90]),
)
def test_what_contradicts_itself_is_what_the_rules_refuse(**terms: object) -> None:
    """Words spelt out are taken as they are, so ticket and rules can be compared."""
    flags = {False: 0, True: 1, "slide": 3}[terms["post_only"]]
    names = ("expires_ms", "display_lots", "min_lots", "stop_ticks")
    head = (1, Side.BUY, KINDS[str(terms["kind"])], 100, terms["qty_lots"], TIFS[str(terms["tif"])], flags)
    raw = PlaceSpecial._make((*head, SelfTrade.CANCEL_TAKER, *(terms[name] for name in names)))
    refused = verdict(raw if raw.is_special() else Place(*raw[:9]))
    try:
        ticket = Ticket(side="buy", price_ticks=100, **terms)  # type: ignore[arg-type]
    except BadOrder:
        assert refused in CONTRADICTIONS
    else:
        assert refused not in CONTRADICTIONS
        assert tuple(ticket.command(1)) == tuple(raw)[: len(ticket.command(1))]


def test_what_is_not_said_is_filled_in() -> None:
    def made(**terms: object) -> Ticket:
        return Ticket(side="sell", price_ticks=5, qty_lots=5, **terms)  # type: ignore[arg-type]

    found = [(t.kind, t.tif) for t in (made(), made(kind="market"), made(expires_ms=9), made(stop_ticks=4))]
    assert found == [("limit", "gtc"), ("market", "ioc"), ("limit", "gtd"), ("stop", "gtc")]
    assert type(made(post_only=True).command(1)) is Place, "the plain encoding where it is enough"
    assert made(post_only="slide").command(1).flags == PlaceFlags.POST_ONLY | PlaceFlags.SLIDE
    assert made(self_trade="decrement").command(1).self_trade == SelfTrade.DECREMENT


WRONG = ({"side": "long"}, {"tif": "day"}, {"kind": "peg"}, {"self_trade": "never"}, {"post_only": "yes"})


@pytest.mark.parametrize("wrong", WRONG)
def test_unknown_words_name_the_known_ones(wrong: dict[str, str]) -> None:
    terms: dict[str, object] = {"side": "buy", "price_ticks": 1, "qty_lots": 1}
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Ticket(**(terms | wrong))  # type: ignore[arg-type]


def test_an_order_with_an_end_lapses_if_it_can_rest() -> None:
    ticket = Ticket(side="buy", price_ticks=1, qty_lots=1)
    assert (ticket.until(9).tif, ticket.until(9).expires_ms) == ("gtd", 9)
    taking = Ticket(side="buy", price_ticks=1, qty_lots=1, tif="ioc")
    assert asdict(taking.until(9)) == asdict(taking)
    with pytest.raises(BadOrder, match="twice"):
        ticket.until(9).until(10)
    assert [good_until_ms(*given, 100) for given in (("", 0), ("rest", 0), ("expire", 5))] == [0, 0, 105]
    for policy, within_ms in (("expire", 0), ("rest", 5), ("", 5), ("pray", 5)):
        with pytest.raises(BadOrder):
            good_until_ms(policy, within_ms, 100)


def test_other_words() -> None:
    assert [cancel_all(side) for side in ("", "buy", "sell")] == [CancelAll(), CancelAll(1), CancelAll(2)]
    assert [set_state(word) for word in STATES] == [SetState(state) for state in range(1, 6)]


def test_old_rules_are_named() -> None:
    matcher = Matcher("solo", b"m" * 32, "solo")
    old = Manifest("old", (Pair("A-B"),), (matcher,), 1, "crash", rules_version=1)
    require_rules(old, [CancelAll(), Ticket(side="buy", price_ticks=1, qty_lots=2).command(1)])
    for later in (Lease(1), Ticket(side="buy", price_ticks=1, qty_lots=2, display_lots=1).command(1)):
        with pytest.raises(LaterRules, match="version 1"):
            require_rules(old, [later])


def test_every_pair_of_words_is_tried() -> None:
    """No word is left out of the plain orders that work."""
    good = 0
    for kind, tif in product(KINDS, TIFS):
        extras = {"expires_ms": 9} if tif == "gtd" else {}
        extras |= {"stop_ticks": 90} if kind.startswith("stop") else {}
        try:
            Ticket(side="buy", price_ticks=100, qty_lots=1, kind=kind, tif=tif, **extras)  # type: ignore[arg-type]
            good += 1
        except BadOrder:
            pass
    assert good == 4 + 2 + 2 + 2
