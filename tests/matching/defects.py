"""Bugs to plant in the engine, by the law that must notice them."""

from . import laws
from .laws import Law
from .planted import Bug

# The maker's fill in the matching loop.
PARTLY = "                book.lower(maker, lots)\n"
USED_UP = (
    "            else:\n                del maker.account.orders[maker.client_id]\n"
    "                book.unlink(maker)\n                if maker.hidden_lots:\n"
)
OWN = "if prevents and (maker.account is account or (groups"
RENEWED = "self._renewed(order, order.price_ticks, order.total_lots, hidden)"

DEFECTS: dict[Law, dict[str, Bug]] = {
    laws.never_crossed: {
        "meets only what is better than its limit": Bug("market", "keys[-1] >= limit_key:", "keys[-1] > limit_key:"),
        "the plain way in does not look": Bug("placing", "opposite[-1] >= -key:", "opposite[-1] > -key:"),
        "a pair opens without an auction": Bug("controls", "            self._uncross()\n", "            pass\n"),
    },
    laws.conservation: {
        "a maker loses nothing to a fill": Bug("market", PARTLY, "                pass\n"),
        "a slice loses a lot": Bug(
            "market", "hidden = order.open_lots - shown", "hidden = max(0, order.open_lots - shown - 1)"
        ),
        "a cancel forgets what is hidden": Bug(
            "placing", "lots = order.open_lots + order.hidden_lots", "lots = order.open_lots"
        ),
        "a decrement leaves the maker as it was": Bug(
            "market", "            self.book.lower(order, lots)\n        else:", "            pass\n        else:"
        ),
        "an amend forgets what was filled": Bug(
            "amendments", "open_lots = total - (order.total_lots - whole)", "open_lots = total"
        ),
    },
    laws.no_fill_worse_than_limit: {
        "reaches one tick too far": Bug(
            "market", "limit_key = taker.price_ticks * sign", "limit_key = taker.price_ticks * sign - 1"
        ),
        "fills a tick off": Bug(
            "market", "self._fill(maker, taker, key * sign, lots)", "self._fill(maker, taker, key * sign + 1, lots)"
        ),
    },
    laws.price_time_priority: {
        "last in, first out": Bug("market", "maker = levels[key].first", "maker = levels[key].last"),
        "the worst price first": Bug(
            "market",
            "            key = keys[-1]\n",
            "            key = next(key for key in keys if key >= limit_key)\n",
        ),
        "fills at the taker's price": Bug(
            "market", "self._fill(maker, taker, key * sign, lots)", "self._fill(maker, taker, taker.price_ticks, lots)"
        ),
        "the auction starts at the back": Bug(
            "ladder", "return self.levels[self.keys[-1]].first\n", "return self.levels[self.keys[-1]].last\n"
        ),
    },
    laws.partial_fill_keeps_the_front: {
        "to the back after a partial fill": Bug(
            "market",
            PARTLY,
            PARTLY + "                book.take_out(maker)\n                self._queue_up(maker)\n",
        ),
        "a new number after a partial fill": Bug(
            "market",
            PARTLY,
            PARTLY + "                self.order_number += 1\n                maker.number = self.order_number\n",
        ),
    },
    laws.reduction_keeps_priority: {
        "a reduction enters anew": Bug("amendments", "            if reduction:\n", "            if False:\n"),
        "only less is a reduction": Bug(
            "amendments", "            if reduction:\n", "            if reduction and open_lots < whole:\n"
        ),
        "a reduction takes what is shown first": Bug("amendments", "if order.hidden_lots:", "if False:"),
    },
    laws.increase_loses_priority: {
        "more at the same price stays": Bug(
            "amendments", "            if reduction:\n", "            if price == order.price_ticks:\n"
        ),
        "a waiting stop keeps its number": Bug("amendments", "                self.order_number += 1\n", ""),
    },
    laws.fill_or_kill: {
        "fills in part": Bug("placing", "        if whole:\n", "        if False:\n"),
        "never fills": Bug(
            "placing",
            "found = self._look(order, wanted)",
            "found = TOO_LITTLE if wanted == order.open_lots else ENOUGH",
        ),
        "does not count what is hidden": Bug(
            "market", "wanted -= level.open_lots + level.hidden_lots", "wanted -= level.open_lots"
        ),
        "looks one level deep": Bug(
            "market", "            if key < limit_key:\n", "            if key < ladder.keys[-1]:\n"
        ),
    },
    laws.minimum_quantity: {
        "is not looked at": Bug("placing", "        if c.min_lots:\n", "        if False:\n"),
        "must fill whole": Bug("placing", "self._enter_if(order, c.min_lots,", "self._enter_if(order, c.qty_lots,"),
        "one less will do": Bug(
            "placing", "self._enter_if(order, c.min_lots,", "self._enter_if(order, c.min_lots - 1,"
        ),
    },
    laws.post_only_never_takes: {
        "takes": Bug(
            "placing", "R.POST_ONLY_WOULD_CROSS if c.flags and self._crosses(c.side, c.price_ticks) else None", "None"
        ),
        "takes when amended": Bug(
            "amendments", "return bool(post_only) and self._crosses(order.side, price)", "return False"
        ),
        "slides onto the best offer": Bug(
            "amendments", "return -self.book.asks.keys[-1] - 1", "return -self.book.asks.keys[-1]"
        ),
        "slides onto the best bid": Bug(
            "amendments", "price = self.book.bids.keys[-1] + 1", "price = self.book.bids.keys[-1]"
        ),
    },
    laws.immediate_never_rests: {
        "rests": Bug("placing", "self._enter(order, rests=False)", "self._enter(order, rests=True)"),
        "a stop order's remainder rests": Bug("market", "rests=order.terms.type != STOP", "rests=True"),
    },
    laws.no_self_trade: {
        "cancel-taker": Bug("market", OWN, OWN.replace("account or", "account and taker.terms.self_trade != 1 or")),
        "cancel-maker": Bug("market", OWN, OWN.replace("account or", "account and taker.terms.self_trade != 2 or")),
        "cancel-both": Bug("market", OWN, OWN.replace("account or", "account and taker.terms.self_trade != 3 or")),
        "decrement": Bug("market", OWN, OWN.replace("account or", "account and taker.terms.self_trade != 4 or")),
        "groups": Bug("market", OWN, OWN.replace("or (groups", "or (not groups")),
        "nothing": Bug("market", OWN, OWN.replace("if prevents", "if False")),
        "in an auction": Bug("controls", "        self._part_groups()\n", ""),
    },
    laws.stale_is_refused: {
        "a cancel is dropped": Bug(
            "placing",
            "self._reject(account.author, client_id, CANCEL, self._not_open(account, client_id))",
            "pass",
        ),
        "an amend is dropped": Bug(
            "amendments", "            self._reject(author, client_id, AMEND, reason)\n", "            pass\n"
        ),
        "the reasons are mistaken": Bug("controls", "R.ORDER_CLOSED if client_id <=", "R.ORDER_CLOSED if client_id >"),
    },
    laws.used_id_is_refused: {
        "the last id may be had again": Bug("placing", "if client_id <= account", "if client_id < account"),
        "the last id may be had again, specially": Bug(
            "placing", "if c.client_id <= account", "if c.client_id < account"
        ),
        "a refusal does not use an id up": Bug(
            "placing", "        account.last_id = c.client_id\n        reason =", "        reason ="
        ),
    },
    laws.iceberg_shows_its_slice_last: {
        "rests with all to see": Bug("market", "if not display or order.open_lots <= display:", "if True:"),
        "a slice shows all that is left": Bug(
            "market", "shown = min(order.open_lots, order.terms.display_lots)", "shown = order.open_lots"
        ),
        "a slice keeps its number": Bug(
            "market",
            f"        self._slice({RENEWED})\n",
            f"        renewed = {RENEWED}\n        renewed.number = order.number\n        self._slice(renewed)\n",
        ),
        "a slice is shown in place": Bug(
            "market",
            USED_UP,
            "            elif maker.hidden_lots:\n"
            "                shown = min(maker.hidden_lots, maker.terms.display_lots)\n"
            "                book.lower(maker, lots - shown)\n"
            "                book.set_hidden(maker, maker.hidden_lots - shown)\n"
            "                key_of = (maker.author, maker.client_id)\n"
            "                self._event((SLICED, self._number(), *key_of, shown, maker.hidden_lots))\n" + USED_UP,
        ),
    },
    laws.stop_waits_for_its_trade: {
        "a tick early": Bug("stops", "up_to(price_ticks)", "up_to(price_ticks + 1)"),
        "a tick late": Bug("stops", "up_to(-price_ticks)", "up_to(-price_ticks - 1)"),
        "at once": Bug(
            "placing",
            "        if c.stop_ticks:\n            about",
            "        if False:\n            about",
        ),
        "whichever side": Bug(
            "stops", "        return self.buys if order.side == BUY else self.sells", "        return self.buys"
        ),
    },
    laws.auction_has_one_price: {
        "at the taker's price": Bug(
            "controls", "self._fill(maker, taker, price, lots)", "self._fill(maker, taker, taker.price_ticks, lots)"
        ),
        "orders match in the auction": Bug("market", "if self.pair_state != AUCTION:", "if True:"),
        "stays crossed": Bug("controls", "        while volume:\n", "        while volume > 1:\n"),
        "less than could": Bug(
            "auction",
            "volume = max(map(min, wanted, offered))",
            "volume = min(v for v in map(min, wanted, offered) if v)",
        ),
    },
}
"""By law, what is wrong and how."""

UNDO_DEFECTS = {
    "last ids": Bug("book", "account.last_id = account.before\n", "pass\n"),
    "neighbours": Bug("book", "            behind.before = order\n", "            pass\n"),
    "an emptied level": Bug("book", "level.ladder.insert(level)", "pass"),
    "open lots": Bug("book", "            order.open_lots = entry[2]\n", "            pass\n"),
    "hidden lots": Bug("book", "            self._hide(entry[1], entry[2])\n", "            pass\n"),
    "the line": Bug("book", "self.line.appendleft(order)", "pass"),
    "tables": Bug("book", "entry[1][entry[2]] = entry[3]", "pass"),
    "the state": Bug(
        "engine",
        "numbers, prices, self.auction, self.pair_state = self._before",
        "numbers, prices, self.auction, _ = self._before",
    ),
    "the last trade": Bug(
        "engine",
        "self.reference_ticks, self.last_trade_ticks, self.low_ticks, self.high_ticks = prices",
        "self.reference_ticks, _, self.low_ticks, self.high_ticks = prices",
    ),
}
"""What an undo may forget."""

SWEEP_DEFECTS = {
    "stops at the last level": Bug("market", "taker.open_lots and keys and", "taker.open_lots and len(keys) > 1 and"),
    "last in, first out": Bug("market", "maker = levels[key].first", "maker = levels[key].last"),
    "levels are out of order": Bug(
        "ladder",
        "insort(keys, key)",
        "insort(keys, key, len(keys) * 3 // 4)",
    ),
    "an undo puts levels back in the order of the sweep": Bug("ladder", "insort(keys, key)", "keys.append(key)"),
    "an undo forgets an emptied level": Bug("book", "level.ladder.insert(level)", "pass"),
}
