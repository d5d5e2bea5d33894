"""Finds out what a key signed in a pair before it signs more: asks peers, and believes what they prove."""

from gossipbook.client_messages import AskAuthor, AuthorWord
from gossipbook.effects import Effect, Emit, Lane, LinkId, Now, Persist, Send, SetTimer
from gossipbook.trade.author_events import HeadTimer, Hold, MayChange, MembersWanted, OpRecord
from gossipbook.trade.author_state import KeyInPair, KeyState
from gossipbook.trade.delivery import Delivery
from gossipbook.trade.head import HeadSearch, check_word
from gossipbook.trade.lives import MINUTE_MS, Lives


class HeadFinding:
    """Settles where an author's chain is in each pair."""

    def __init__(self, state: KeyState, delivery: Delivery, lives: Lives) -> None:
        self._state = state
        self._lives = lives
        self._delivery = delivery
        self._config = state.config

    def begin(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Ask all peers at hand."""
        if not self._config.ask_heads:
            pair.settled = True
            return []
        effects: list[Effect] = []
        for link in self._state.links:
            effects += self.ask(pair, link, now)
        if not pair.chain.known:
            effects.append(Emit(MembersWanted(pair.symbol, pair.committee.quorum.q)))
        return effects

    def ask(self, pair: KeyInPair, link: LinkId, now: Now) -> list[Effect]:
        """Ask one peer, or ask it on, unless its answer is awaited already."""
        state = self._state.links[link]
        if state.asked.get(pair.symbol) or not self._config.ask_heads:
            return []
        state.asked[pair.symbol] = True
        effects: list[Effect] = []
        if pair.patient_until_ms is None:
            pair.patient_until_ms = now.timer_ms + self._config.head_patience_ms
            effects.append(SetTimer(self._config.head_patience_ms, HeadTimer(pair.symbol)))
            if pair.settled or not pair.search.words:  # What was heard at another time is over.
                pair.search = HeadSearch(pair.chain.certified_seq, pair.chain.certified_height)
        first = pair.search.unfinished.get(state.public_key, pair.chain.certified_seq)
        question = AskAuthor(pair.symbol, self._state.author, first)
        return [*effects, Send((link,), question, Lane.SYNC)]

    def hear(self, pair: KeyInPair, link: LinkId, word: AuthorWord, now: Now) -> list[Effect]:
        """Take a peer's answer; one that is not genuine counts as none."""
        state = self._state.links[link]
        state.asked[pair.symbol] = False
        author, verifier = self._state.author, self._state.verifier
        checked = check_word(word, author, pair.committee, verifier, own=state.own)
        if isinstance(checked, str) or (not checked.synced and checked.height < pair.search.height):
            return self.settle(pair, now)  # A liar, or somebody who is still catching up.
        if pair.patient_until_ms is not None or not pair.settled:
            before = pair.search.unfinished.get(state.public_key, -1)
            pair.search.take(state.public_key, checked)
            if pair.search.unfinished.get(state.public_key, -1) > before:
                return self.ask(pair, link, now)
        return self.settle(pair, now)

    def settle(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Draw the conclusion from what was heard, once enough was."""
        if pair.patient_until_ms is None and pair.settled and pair.hold is None:
            return []  # Nobody was asked anything.
        over = pair.patient_until_ms is not None and now.timer_ms >= pair.patient_until_ms
        if not over and any(state.asked.get(pair.symbol) for state in self._state.links.values()):
            return []
        running_ms, pair.patient_until_ms = pair.patient_until_ms, None
        before = (pair.hold, pair.settled)
        pair.hold, pair.hold_text = self._judge(pair)
        effects: list[Effect] = []
        if pair.hold is None:
            heard = bool(pair.search.heard())
            pair.settled = pair.settled or heard  # Silence proves nothing: the wallet may be an old copy.
            effects += [*self._adopt(pair, now), *self._lives.settle(pair, now)] if heard else []
            effects += self._delivery.send_new(pair, now)
        if (pair.hold, pair.settled) != before:
            effects.append(Emit(MayChange(pair.symbol)))
        if pair.hold is None and pair.settled:
            return effects
        if over:
            return effects + self._ask_again(pair, now)
        if pair.hold is None or pair.hold.passes or pair.hold is Hold.NETWORK_BEHIND:
            if running_ms is None:  # Else no word, whoever sends how many, puts off that all are asked again.
                running_ms = now.timer_ms + self._config.head_patience_ms
                effects.append(SetTimer(self._config.head_patience_ms, HeadTimer(pair.symbol)))
            pair.patient_until_ms = running_ms
        return effects

    def _ask_again(self, pair: KeyInPair, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        if self._state.links and pair.hold is None:  # Nobody here answers: others are wanted.
            effects.append(Emit(MembersWanted(pair.symbol, pair.committee.quorum.q)))
        for link, state in self._state.links.items():
            state.asked[pair.symbol] = False
            effects += self.ask(pair, link, now)
        return effects

    def _judge(self, pair: KeyInPair) -> tuple[Hold | None, str]:
        """Whether anything that was heard forbids to sign, and that in words."""
        search, chain, symbol = pair.search, pair.chain, pair.symbol
        if search.forked:
            return Hold.KEY_FROZEN, (
                f"this key signed two different ops with one sequence number in {symbol}, which freezes it for good. "
                "Use a new key."
            )
        conflict = search.conflict(chain)
        if conflict is not None:
            return Hold.KEY_USED_ELSEWHERE, (
                f"another copy of this key signed op {conflict.seq} in {symbol}, and this wallet signed a different "
                "one with that number or before it. Signing more could freeze the key: go on with the other copy, or "
                "use a new key."
            )
        if search.behind():
            height = max(word.height for word in search.words.values())
            claimed = max(word.claimed_seq for word in search.words.values())
            hold = Hold.NETWORK_BEHIND if self._is_agreed(pair) else Hold.PEERS_BEHIND
            return hold, (
                f"the network is at height {height} of {symbol} and knows {claimed} ops of this key; this wallet knows "
                f"{chain.certified_seq} to be certified, up to height {chain.certified_height}. Either the peers asked "
                "are still catching up, or the network was reset: then make a new key for it."
            )
        seats = [who for who in search.heard() if pair.committee.seat_of(who) is not None]
        needed = pair.committee.quorum.q
        if not chain.known and len(seats) < needed and not (self._config.accept_fewer and search.heard()):
            return Hold.WALLET_LOST, (
                f"the wallet beside this key holds no ops of {symbol}, so {needed} committee members must say whether "
                f"the key was used before; {len(seats)} have answered"
            )
        return None, ""

    def _is_agreed(self, pair: KeyInPair) -> bool:
        """Whether the author's own peer was heard, or more committee members than there may be liars."""
        words, committee = pair.search.words, pair.committee
        if any(link.own and link.public_key in words for link in self._state.links.values()):
            return True
        return sum(1 for who in words if committee.seat_of(who) is not None) > committee.quorum.f

    def _adopt(self, pair: KeyInPair, now: Now) -> list[Effect]:
        """Go on from the highest op that is proven, and send all from the lowest that is not certified."""
        search, chain = pair.search, pair.chain
        certified, height = search.certified()
        first = chain.certified_seq if certified is None else max(certified.seq + 1, chain.certified_seq)
        known = sorted(search.ops.items())
        fresh = [op for seq, op in known if seq >= chain.next_seq]
        missing = [op for seq, op in known if first <= seq < chain.next_seq and seq not in chain.ops]
        for op in missing:
            chain.add(op)
        for op in fresh:
            chain.extend(op)
        if self._lives.matter and not chain.known and not chain.next_seq and not fresh:
            # Nobody knows the key, which may be old all the same: as it may have left, its numbers may have been used.
            chain.begin_life(now.wall_ms // MINUTE_MS)
        changed = bool(fresh or missing) or not chain.known
        if fresh or not chain.known:  # Else the wallet knows best which ids it used.
            chain.last_client_id = search.used_up_to(chain.last_client_id, pair.committee)
        chain.known = True
        search.ops.clear()
        effects: list[Effect] = [Persist(OpRecord(op)) for op in (*missing, *fresh)]
        if certified is not None and certified.seq >= chain.certified_seq:
            effects += self._delivery.certify(pair, certified.seq + 1, height, now)
        elif changed:
            effects.append(pair.record())
        if missing or fresh:
            self._delivery.send_again_from(pair, min(op.seq for op in (*missing, *fresh)))
        return effects
