"""Members' local states and the actions between them, each computed once by the real core.

A local state is a member's value and the facts it has sent. A core is brought into a state by the shortest known
history from boot, and its value is compared on arrival: were the core not deterministic, or not indifferent to the
names that :meth:`StateTable.twin` exchanges, the search would stop with an error instead of going astray.
"""

from typing import NamedTuple

from gossipbook.explorer.configuration import Configuration
from gossipbook.explorer.fingerprint import Fingerprint
from gossipbook.explorer.laws import breach
from gossipbook.explorer.member import Breach, ExploredMember
from gossipbook.explorer.named_objects import NamedObjects
from gossipbook.explorer.vocabulary import Action, Fact

LIVE_CAP = 512  # cores kept in the state they are in; the others are brought back by their history

Sent = tuple[Fact, ...]


class Key(NamedTuple):
    """A local state: the seat that plays it, the member's value, what it has sent in a fixed order."""

    seat: int
    value: object
    sent: Sent


class Origin(NamedTuple):
    """The state and action by which a local state was first reached."""

    state: int
    action: int


class StateTable:
    """Local states and actions by number, in the order in which they were first met."""

    def __init__(self, configuration: Configuration, objects: NamedObjects) -> None:
        self.configuration = configuration
        self.objects = objects
        self._fingerprint = Fingerprint(objects)
        self.keys: list[Key] = []
        self.sent: list[int] = []  # by local state: the number of what it sent
        self.sents: list[Sent] = []
        self.actions: list[Action] = []
        self.runs = 0
        self._numbers: dict[Key, int] = {}
        self._sent_numbers: dict[Sent, int] = {}
        self._action_numbers: dict[Action, int] = {}
        self._origins: list[Origin | None] = []
        self._moves: list[dict[int, int]] = []
        self._breaches: dict[tuple[int, int], str] = {}
        self.twins: list[int] = []  # by local state, once asked for
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
        state = self._state(Key(seat, member.value(), _added((), member.said)), None)
        self.twin(state)
        return state

    def _state(self, key: Key, origin: Origin | None) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
            self._origins.append(origin)
            self._moves.append({})
            self.twins.append(-1)
            sent = self._sent_numbers.setdefault(key.sent, len(self.sents))
            if sent == len(self.sents):
                self.sents.append(key.sent)
            self.sent.append(sent)
        return number

    def twin(self, state: int) -> int:
        """Return the state that differs only in the exchanged names o1 and o2."""
        twin = self.twins[state]
        if twin < 0:
            seat, value, sent = self.keys[state]
            origin = self._origins[state]
            if origin is not None:
                action = self.action(self.objects.twin(self.actions[origin.action]))
                origin = Origin(self.twin(origin.state), action)
            key = Key(seat, self.objects.twin(value), tuple(sorted(self.objects.twin(sent), key=_place)))
            twin = self._state(key, origin)
            self.twins[state], self.twins[twin] = twin, state
        return twin

    # -- moves --------------------------------------------------------------------------------------

    def move(self, state: int, action: int) -> int:
        """Return the state after an action, the same one if the action has no effect."""
        known = self._moves[state].get(action)
        return self._run(state, action) if known is None else known

    def breach(self, state: int, action: int) -> str | None:
        """Return the law that a move breaks, once the move was made."""
        return self._breaches.get((state, action))

    def said(self, state: int, action: int) -> Sent:
        """Return the messages that a move sends for the first time."""
        before = self.keys[state].sent
        return tuple(fact for fact in self.keys[self.move(state, action)].sent if fact not in before)

    def _run(self, state: int, action: int) -> int:
        self.runs += 1
        member = self._live.pop(state, None) or self._bring(state)
        seat, _, sent = self.keys[state]
        try:
            member.take(self.actions[action])
        except Breach as found:
            self._breaches[state, action] = str(found)
            self._moves[state][action] = state
            return state
        self._judge(state, action, sent, member)
        after = self._state(Key(seat, member.value(), _added(sent, member.said)), Origin(state, action))
        self._moves[state][action] = after
        self._live.setdefault(after, member)
        if len(self._live) > LIVE_CAP:
            del self._live[next(iter(self._live))]
        return after

    def _judge(self, state: int, action: int, sent: Sent, member: ExploredMember) -> None:
        """Check every new message against the laws."""
        if self.configuration.agreement_only:
            return
        before = list(sent)
        for fact in member.said:
            if fact in before:
                continue  # sent again
            found = breach(before, fact, member.offers)
            if found is not None:
                self._breaches.setdefault((state, action), found)
            before.append(fact)

    def _bring(self, state: int) -> ExploredMember:
        """Bring a core into a state by the history that first led there."""
        history = []
        at: int = state
        while (origin := self._origins[at]) is not None:
            history.append(origin.action)
            at = origin.state
        member = ExploredMember(self.objects, self._fingerprint, self.keys[state].seat)
        for action in reversed(history):
            member.take(self.actions[action])
        assert member.value() == self.keys[state].value, "the same history led to another state"
        return member


def _added(sent: Sent, said: list[Fact]) -> Sent:
    fresh = [fact for fact in dict.fromkeys(said) if fact not in sent]
    return tuple(sorted((*sent, *fresh), key=_place)) if fresh else sent


def _place(fact: Fact) -> tuple[str, str]:
    return type(fact).__name__, repr(fact)
