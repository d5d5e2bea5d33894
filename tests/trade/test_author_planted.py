"""Bugs planted in the author core: each breaks one of its rules, and at least one script must notice."""

from collections.abc import Callable
from typing import Any

import pytest
from transcript import parse

from gossipbook.client_messages import AckLevel
from gossipbook.consensus.certificate import Certificate
from gossipbook.crdt.op import GENESIS_PREV
from gossipbook.effects import Persist
from gossipbook.identity import Verifier
from gossipbook.trade import head_finding
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.delivery import Delivery
from gossipbook.trade.head import HeadSearch
from gossipbook.trade.op_chain import OpChain

from .bench import AuthorScript
from .test_author_transcripts import SCRIPTS


def noticed() -> list[str]:
    """The scripts that do not come out as written."""
    differing = []
    for path in SCRIPTS:
        script = AuthorScript()
        try:
            for _, commands, expected in parse(path.read_text()):
                happened = [line for command in commands for line in script.run(command)]
                assert happened == expected
        except (AssertionError, KeyError, ValueError):
            differing.append(path.stem)
    return differing


def sent_before_it_is_kept(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: AuthorCore, *arguments: Any) -> Any:
        return sorted(original(self, *arguments), key=lambda effect: isinstance(effect, Persist))

    return wrong


def certified_without_proof(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: AuthorCore, link: bytes, ack: Any, now: Any) -> Any:
        effects = original(self, link, ack, now)
        pair = self._state.pairs[ack.pair]
        op = pair.chain.by_id.get(ack.op_id)
        is_certified = op is not None and ack.level == AckLevel.CERTIFIED
        return effects + (self._delivery.certify(pair, op.seq + 1, ack.height, now) if is_certified else [])

    return wrong


def claimed_head_adopted(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, pair: Any, now: Any) -> Any:
        claimed = max(word.claimed_seq for word in pair.search.words.values())
        pair.chain.next_seq = max(pair.chain.next_seq, claimed)
        return original(self, pair, now)

    return wrong


def ids_leap_to_any_claim(_original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, proven, _: max([proven, *(word.claimed_id for word in self.words.values())])


MUTANTS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "sent before it is kept": (AuthorCore, "_on_sign", sent_before_it_is_kept),
    "certified without proof": (AuthorCore, "_on_ack", certified_without_proof),
    "a claimed head is adopted": (head_finding.HeadFinding, "_adopt", claimed_head_adopted),
    "ids leap to any claim": (HeadSearch, "used_up_to", ids_leap_to_any_claim),
    "a conflict is not noticed": (HeadSearch, "conflict", lambda _: lambda self, chain: None),
    "a reset network is not noticed": (HeadSearch, "behind", lambda _: lambda self: False),
    "certificates are not checked": (Certificate, "valid", lambda _: lambda self, *_: True),
    "signatures are not checked": (Verifier, "good", lambda _: lambda self, check: True),
    "sent before the head is known": (Delivery, "_may_send", lambda _: lambda self, pair: True),
    "never sent again": (Delivery, "resend", lambda _: lambda self, pair, now: []),
    "one copy only": (
        Delivery,
        "send_new",
        lambda original: lambda self, pair, now: original(self, pair, now) if len(self._state.links) < 2 else [],
    ),
    "fewer answers are enough": (
        head_finding.HeadFinding,
        "_judge",
        lambda original: (
            lambda self, pair: (
                (None, "") if (found := original(self, pair))[0] and found[0].value == "wallet-lost" else found
            )
        ),
    ),
    "what is signed is not kept in flight": (
        OpChain,
        "extend",
        lambda original: lambda self, op: (original(self, op), self.ops.pop(op.seq))[0],
    ),
    "numbers begin anew": (
        OpChain,
        "sign",
        lambda original: lambda self, *a: (setattr(self, "head", GENESIS_PREV), original(self, *a))[1],
    ),
}


def test_the_scripts_come_out_as_written() -> None:
    assert noticed() == []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, mutate = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, mutate(getattr(owner, attribute)))
    assert noticed(), f"nothing notices: {name}"
