"""Members' local states and the actions between them, each computed once by the real core.

A local state is a member's value and the facts that it has sent and that still count. A core is brought to a value by
the shortest known history from boot, and its value is compared on arrival: were the core not deterministic, or not
indifferent to the names that :meth:`StateTable.twin` exchanges, the search would stop with an error instead of going
astray.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gossipbook.explorer.configuration import Configuration
from gossipbook.explorer.fingerprint import Fingerprint, MergingFingerprint
from gossipbook.explorer.laws import breach, disallowed, unsteady
from gossipbook.explorer.member import Breach, ExploredMember, MergedValue
from gossipbook.explorer.named_objects import NamedObjects
from gossipbook.explorer.vocabulary import Action, Crash, Crashed, Fact, Offer, Standing

LIVE_CAP = 512  # cores kept in the state they are in; the others are brought back by their history

Sent = tuple[Fact, ...]


class Key(NamedTuple):
    """A local state: the number of the member's value, and of what it has sent."""

    value: int
    sent: int


class Origin(NamedTuple):
    """The value and action by which a value was first reached."""

    value: int
    action: int


class Outcome(NamedTuple):
    """What an action makes of a value. ``offers``: those that the member was given or made until then.

    ``said_at_once`` is what of it leaves before any record of the turn.
    """

    value: int
    said: Sent
    offers: tuple[Offer, ...] = ()
    breach: str | None = None
    said_at_once: Sent = ()


class StateTable:
    """Local states, values and actions by number, in the order in which they were first met."""

    def __init__(self, configuration: Configuration, objects: NamedObjects) -> None:
        self.configuration = configuration
        self.objects = objects
        self._fingerprint = MergingFingerprint(objects) if configuration.merges else Fingerprint(objects)
        self.keys: list[Key] = []
        self.sent: list[int] = []  # by local state: the number of what it sent
        self.sents: list[Sent] = []
        self.actions: list[Action] = []
        self.twins: list[int] = []  # by local state, once asked for
        self.runs = 0
        self._numbers: dict[Key, int] = {}
        self._sent_numbers: dict[Sent, int] = {}
        self._sent_twins: dict[int, int] = {}
        self._action_numbers: dict[Action, int] = {}
        self._breaches: dict[tuple[int, int], str] = {}
        self._moves: list[dict[int, int]] = []
        self._values: list[tuple[int, object]] = []  # each with the seat that plays it
        self._value_numbers: dict[tuple[int, object], int] = {}
        self._value_twins: list[int] = []
        self._origins: list[Origin | None] = []
        self._outcomes: list[dict[int, Outcome]] = []
        self._idle: list[set[int]] = []
        self._live: dict[int, ExploredMember] = {}

    # -- numbers ------------------------------------------------------------------------------------

    def action(self, action: Action) -> int:
        number = self._action_numbers.get(action)
        if number is None:
            number = self._action_numbers[action] = len(self.actions)
            self.actions.append(action)
        return number

    def boot(self, seat: int) -> int:
        """Return the state in which a seat starts."""
        member = ExploredMember(self.objects, self._fingerprint, seat)
        state = self.state(self._value(seat, member.value(), None), _added((), member.said))
        self.twin(state)
        return state

    def state(self, value: int, sent: Sent) -> int:
        """Return the local state of a value, and of facts in their fixed order."""
        sent_number = self._sent_numbers.setdefault(sent, len(self.sents))
        if sent_number == len(self.sents):
            self.sents.append(sent)
        key = Key(value, sent_number)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
            self.twins.append(-1)
            self._moves.append({})
            self.sent.append(sent_number)
        return number

    def standing(self, state: int) -> Standing:
        """Return how far a member in a local state has come, where states are merged."""
        value = self._values[self.keys[state].value][1]
        assert isinstance(value, MergedValue)
        return value.standing

    def without(self, state: int, facts: frozenset[Fact]) -> int:
        """Return the local state that differs only in having forgotten some of what was sent."""
        key = self.keys[state]
        return self.state(key.value, tuple(fact for fact in self.sents[key.sent] if fact not in facts))

    def _value(self, seat: int, value: object, origin: Origin | None) -> int:
        number = self._value_numbers.get((seat, value))
        if number is None:
            number = self._value_numbers[seat, value] = len(self._values)
            self._values.append((seat, value))
            self._origins.append(origin)
            self._outcomes.append({})
            self._idle.append(set())
            self._value_twins.append(-1)
        return number

    def twin(self, state: int) -> int:
        """Return the state that differs only in the exchanged names o1 and o2."""
        twin = self.twins[state]
        if twin < 0:
            value, sent = self.keys[state]
            twin = self.state(self._twin_value(value), self.sents[self._twin_sent(sent)])
            self.twins[state], self.twins[twin] = twin, state
        return twin

    def _twin_sent(self, sent: int) -> int:
        twin = self._sent_twins.get(sent)
        if twin is None:
            renamed = tuple(sorted(self.objects.twin(self.sents[sent]), key=_place))
            twin = self._sent_numbers.setdefault(renamed, len(self.sents))
            if twin == len(self.sents):
                self.sents.append(renamed)
            self._sent_twins[sent], self._sent_twins[twin] = twin, sent
        return twin

    def _twin_value(self, number: int) -> int:
        twin = self._value_twins[number]
        if twin < 0:
            seat, value = self._values[number]
            origin = self._origins[number]
            if origin is not None:
                origin = Origin(self._twin_value(origin.value), self.twin_action(origin.action))
            twin = self._value(seat, self.objects.twin(value), origin)
            self._value_twins[number], self._value_twins[twin] = twin, number
        return twin

    def twin_action(self, action: int) -> int:
        return self.action(self.objects.twin(self.actions[action]))

    # -- moves --------------------------------------------------------------------------------------

    def idle(self, state: int) -> set[int]:
        """Return the actions that are known to have no effect in a state."""
        return self._idle[self.keys[state].value]

    def move(self, state: int, action: int) -> int:
        """Return the state after an action, the same one if the action has no effect."""
        known = self._moves[state].get(action)
        if known is None:
            known = self._moves[state][action] = self._move(state, action)
        return known

    def breach(self, state: int, action: int) -> str | None:
        """Return the law that a move breaks, once the move was made."""
        return self._breaches.get((state, action))

    def said(self, state: int, action: int) -> Sent:
        """Return the messages that a move sends for the first time."""
        self.move(state, action)
        value, sent = self.keys[state]
        return tuple(fact for fact in self._outcomes[value][action].said if fact not in self.sents[sent])

    def said_at_once(self, state: int, action: int) -> Sent:
        """Return those messages of a move that wait for none of its records."""
        self.move(state, action)
        return self._outcomes[self.keys[state].value][action].said_at_once

    def _move(self, state: int, action: int) -> int:
        value, sent_number = self.keys[state]
        outcome = self._outcomes[value].get(action)
        if outcome is None:
            outcome = self._outcomes[value][action] = self._run(value, action)
        sent = self.sents[sent_number]
        found = self._judge(sent, outcome) or outcome.breach
        if found is not None:
            self._breaches[state, action] = found
        said: Iterable[Fact] = outcome.said
        if isinstance(self.actions[action], Crash) and self.configuration.restarts is not None:
            said = (*said, Crashed(1 + sum(isinstance(fact, Crashed) for fact in sent)))
        elif outcome.value == value and not said and found is None:
            self._idle[value].add(action)
        return self.state(outcome.value, _added(sent, said))

    def torn(self, state: int, action: int) -> int | None:
        """Return the state after an action of which only what was sent at once left, and a restart; None if nothing."""
        early = self.said_at_once(state, action)
        if not early:
            return None
        crashed = self.keys[self.move(state, self.action(Crash()))]
        return self.state(crashed.value, _added(self.sents[crashed.sent], early))

    def _run(self, value: int, action: int) -> Outcome:
        self.runs += 1
        member = self._live.pop(value, None) or self._bring(value)
        seat, before = self._values[value]
        try:
            member.take(self.actions[action])
        except Breach as error:
            return Outcome(value, (), (), str(error))
        reached = member.value()
        found = None
        if isinstance(before, MergedValue) and isinstance(reached, MergedValue):
            said_wrongly = (disallowed(before.standing, fact) for fact in member.said)
            found = next(filter(None, said_wrongly), None) or unsteady(before.standing, reached.standing)
        after = self._value(seat, reached, Origin(value, action))
        self._live.setdefault(after, member)
        if len(self._live) > LIVE_CAP:
            del self._live[next(iter(self._live))]
        said = tuple(dict.fromkeys(member.said))
        offers = tuple(member.offers) if said else ()
        return Outcome(after, said, offers, found, tuple(member.said_at_once))

    def _judge(self, sent: Sent, outcome: Outcome) -> str | None:
        """Check every new message against the laws."""
        if self.configuration.agreement_only:
            return None
        before = list(sent)
        for fact in outcome.said:
            if fact in before:
                continue  # sent again
            found = breach(before, fact, outcome.offers, self.configuration.is_deep)
            if found is not None:
                return found
            before.append(fact)
        return None

    def _bring(self, value: int) -> ExploredMember:
        """Bring a core to a value by the history that first led there."""
        history = []
        at: int = value
        while (origin := self._origins[at]) is not None:
            history.append(origin.action)
            at = origin.value
        member = ExploredMember(self.objects, self._fingerprint, self._values[value][0])
        for action in reversed(history):
            member.take(self.actions[action])
        assert member.value() == self._values[value][1], "the same history led to another state"
        return member


def _added(sent: Sent, said: Iterable[Fact]) -> Sent:
    fresh = [fact for fact in dict.fromkeys(said) if fact not in sent]
    return tuple(sorted((*sent, *fresh), key=_place)) if fresh else sent


def _place(fact: Fact) -> tuple[str, str]:
    return type(fact).__name__, repr(fact)
