"""Orders, fills, trades and candles on disk: their tables beside the archive of events, written and read.

Sums are text: they have no cap, and SQLite's integers do.
"""

import sqlite3
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from gossipbook.accounts.bookkeeping import Changes
from gossipbook.accounts.order_state import is_closed
from gossipbook.accounts.rows import Candle, FillRow, OrderRow, Sums, Trade
from gossipbook.ids import PublicKey
from gossipbook.ordered import BoundedDict

KNOWN_CAP: Final = 16_384
"""Authors in pairs whose number is remembered between blocks; another's is read again."""
_ORDER_FIELDS: Final = [each.name for each in fields(OrderRow) if each.name not in ("pair", "author")]
_ORDER_VALUES: Final = attrgetter(*_ORDER_FIELDS)
_SUMS: Final = attrgetter(*(each.name for each in fields(Sums)))
_QUOTE: Final = _ORDER_FIELDS.index("quote")
_FLAG: Final = _ORDER_FIELDS.index("triggered")
_ORDER_TYPES: Final = {"status": "TEXT", "reason": "TEXT", "text_id": "TEXT"}
_ORDER_COLUMNS: Final = ", ".join(
    f'"{name}" {"TEXT" if name == "quote" else _ORDER_TYPES.get(name, "INTEGER")} NOT NULL' for name in _ORDER_FIELDS
)

SCHEMA: Final = f"""
CREATE TABLE accounts (account INTEGER PRIMARY KEY, pair TEXT NOT NULL, author BLOB NOT NULL,
    UNIQUE (pair, author)) STRICT;
CREATE TABLE account_orders (account INTEGER NOT NULL, {_ORDER_COLUMNS}, is_open INTEGER NOT NULL,
    PRIMARY KEY (account, number)) STRICT, WITHOUT ROWID;
CREATE INDEX order_names ON account_orders (account, client_id, number);
CREATE INDEX order_texts ON account_orders (account, text_id, number) WHERE text_id <> '';
CREATE INDEX order_opens ON account_orders (account, number) WHERE is_open;
CREATE TABLE fills (account INTEGER NOT NULL, number INTEGER NOT NULL, is_maker INTEGER NOT NULL,
    client_id INTEGER NOT NULL, order_number INTEGER NOT NULL, side INTEGER NOT NULL, price_ticks INTEGER NOT NULL,
    qty_lots INTEGER NOT NULL, height INTEGER NOT NULL, time_ms INTEGER NOT NULL, bought_lots TEXT NOT NULL,
    sold_lots TEXT NOT NULL, bought_quote TEXT NOT NULL, sold_quote TEXT NOT NULL,
    PRIMARY KEY (account, number, is_maker DESC)) STRICT, WITHOUT ROWID;
CREATE TABLE trades (pair TEXT NOT NULL, number INTEGER NOT NULL, height INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    price_ticks INTEGER NOT NULL, qty_lots INTEGER NOT NULL, taker_side INTEGER NOT NULL,
    PRIMARY KEY (pair, number)) STRICT, WITHOUT ROWID;
CREATE TABLE candles (pair TEXT NOT NULL, width_ms INTEGER NOT NULL, start_ms INTEGER NOT NULL,
    open_ticks INTEGER NOT NULL, high_ticks INTEGER NOT NULL, low_ticks INTEGER NOT NULL, close_ticks INTEGER NOT NULL,
    lots TEXT NOT NULL, quote TEXT NOT NULL, trades INTEGER NOT NULL,
    PRIMARY KEY (pair, width_ms, start_ms)) STRICT, WITHOUT ROWID;
"""
_NUMBER: Final = 1  # the column of a fill's number
_ORDERS: Final = ", ".join(f'"{name}"' for name in _ORDER_FIELDS)
_UPSERT_ORDER: Final = f"INSERT OR REPLACE INTO account_orders VALUES ({', '.join('?' * (len(_ORDER_FIELDS) + 2))})"
_UPSERT_CANDLE: Final = "INSERT OR REPLACE INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_FILL: Final = "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_TRADE: Final = "INSERT INTO trades VALUES (?, ?, ?, ?, ?, ?, ?)"


class AccountNumbers:
    """The number that stands for an author in a pair, which is given when they first do something there."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._known: BoundedDict[tuple[str, PublicKey], int] = BoundedDict(KNOWN_CAP)

    def give(self, pair: str, author: PublicKey) -> int:
        """The number of an author in a pair."""
        number = self._known.get((pair, author))
        if number is None:
            self._database.execute("INSERT OR IGNORE INTO accounts (pair, author) VALUES (?, ?)", (pair, author))
            number = _account(self._database, pair, author)
            assert number is not None
            self._known[pair, author] = number
        return number


def write_changes(database: sqlite3.Connection, numbers: AccountNumbers, changes: Changes) -> None:
    """Write what blocks changed, in the transaction that is open."""
    give = numbers.give
    orders = changes.orders.values()
    database.executemany(_UPSERT_ORDER, [(give(row.pair, row.author), *_order_values(row)) for row in orders])
    database.executemany(_INSERT_FILL, [(give(row.pair, row.author), *_fill_values(row)) for row in changes.fills])
    database.executemany(_INSERT_TRADE, changes.trades)
    database.executemany(_UPSERT_CANDLE, map(_candle_values, changes.candles.values()))


class AccountRows:
    """Reads what was written. For one thread at a time.

    Numbers are those of events; ``after`` and ``before`` leave out themselves. Lists are in ascending order.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    # -- what was kept, for the bookkeeper ----------------------------------------------------------

    def order(self, pair: str, author: PublicKey, client_id: int) -> OrderRow | None:
        """The last order that an author entered under a client order id."""
        return self._one_order("client_id = ?", pair, author, client_id)

    def sums(self, pair: str, author: PublicKey) -> Sums | None:
        """What all of an author's fills in a pair come to; None without any."""
        fills = self.fills(pair, author, limit=1, newest=True)
        return fills[-1].sums if fills else None

    def candle(self, pair: str, width_ms: int, start_ms: int) -> Candle | None:
        """One candle of a width that is kept; None without trades."""
        found = self.candles(pair, width_ms, start_ms, start_ms + width_ms, limit=1)
        return found[0] if found else None

    # -- accounts -----------------------------------------------------------------------------------

    def order_by_text(self, pair: str, author: PublicKey, text_id: str) -> OrderRow | None:
        """The last order that an author entered under a text id."""
        return self._one_order("text_id = ? AND text_id <> ''", pair, author, text_id)

    def _one_order(self, which: str, pair: str, author: PublicKey, value: int | str) -> OrderRow | None:
        query = f"SELECT {_ORDERS} FROM account_orders WHERE account = ? AND {which} ORDER BY number DESC LIMIT 1"
        row = self._database.execute(query, (_account(self._database, pair, author), value)).fetchone()
        return None if row is None else _read_order(pair, author, row)

    def orders(
        self,
        pair: str,
        author: PublicKey,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        only_open: bool = False,
        newest: bool = False,
    ) -> list[OrderRow]:
        """An author's orders by entry; with ``newest`` the last of them that ``limit`` lets in."""
        query = f"SELECT {_ORDERS} FROM account_orders WHERE account = ?" + (" AND is_open" if only_open else "")
        rows = self._page(query, (_account(self._database, pair, author),), after, before, limit, newest)
        return [_read_order(pair, author, row) for row in rows]

    def fills(
        self,
        pair: str,
        author: PublicKey,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> list[FillRow]:
        """An author's fills; of a trade with themselves the maker's side comes first, and both are in one page."""
        text = "SELECT text_id FROM account_orders o WHERE o.account = f.account AND o.number = f.order_number"
        query = f"SELECT f.*, coalesce(({text}), '') FROM fills f WHERE account = ?"
        order = "number {0}, is_maker " + ("ASC" if newest else "DESC")
        account = _account(self._database, pair, author)
        rows = self._page(query, (account,), after, before, limit + 1, newest, order)
        if len(rows) > limit:  # The one too many stays if it is of the same trade as its neighbour.
            extra, neighbour = (rows[0], rows[1:2]) if newest else (rows[-1], rows[-2:-1])
            if not neighbour or extra[_NUMBER] != neighbour[0][_NUMBER]:
                rows.remove(extra)
        return [_read_fill(pair, author, row) for row in rows]

    def open_count(self, pair: str, author: PublicKey) -> int:
        """How many orders of an author's are open."""
        query = "SELECT count(*) FROM account_orders WHERE account = ? AND is_open"
        return int(self._database.execute(query, (_account(self._database, pair, author),)).fetchone()[0])

    # -- markets ------------------------------------------------------------------------------------

    def trades(
        self, pair: str, *, after: int = 0, before: int | None = None, limit: int, newest: bool = False
    ) -> list[Trade]:
        """A pair's trades."""
        query = "SELECT * FROM trades WHERE pair = ?"
        return [Trade(*row) for row in self._page(query, (pair,), after, before, limit, newest)]

    def candles(self, pair: str, width_ms: int, from_ms: int, until_ms: int, *, limit: int) -> list[Candle]:
        """The last candles of a width that is kept, which start from one time to before another."""
        query = (
            "SELECT * FROM candles WHERE pair = ? AND width_ms = ? AND start_ms >= ? AND start_ms < ? "
            "ORDER BY start_ms DESC LIMIT ?"
        )
        rows = self._database.execute(query, (pair, width_ms, from_ms, until_ms, limit)).fetchall()
        return [Candle._make((*row[:7], int(row[7]), int(row[8]), row[9])) for row in reversed(rows)]

    def _page(
        self,
        query: str,
        values: tuple[Any, ...],
        after: int,
        before: int | None,
        limit: int,
        newest: bool,
        order: str = "number {0}",
    ) -> list[tuple[Any, ...]]:
        query += " AND number > ?" + ("" if before is None else " AND number < ?")
        values = (*values, after, *(() if before is None else (before,)), limit)
        query += f" ORDER BY {order.format('DESC' if newest else 'ASC')} LIMIT ?"
        rows = self._database.execute(query, values).fetchall()
        return rows[::-1] if newest else rows


def _order_values(row: OrderRow) -> list[Any]:
    values = list(_ORDER_VALUES(row))
    values[_QUOTE], values[_FLAG] = str(row.quote), int(row.triggered)
    return [*values, int(not is_closed(row))]


def _account(database: sqlite3.Connection, pair: str, author: PublicKey) -> int | None:
    query = "SELECT account FROM accounts WHERE pair = ? AND author = ?"
    row = database.execute(query, (pair, author)).fetchone()
    return None if row is None else int(row[0])


def _read_order(pair: str, author: PublicKey, row: tuple[Any, ...]) -> OrderRow:
    named = dict(zip(_ORDER_FIELDS, row, strict=True))
    named |= {"quote": int(named["quote"]), "triggered": bool(named["triggered"])}
    return OrderRow(pair=pair, author=author, **named)


def _fill_values(fill: FillRow) -> tuple[Any, ...]:
    return (fill.number, int(fill.is_maker), *fill[4:11], *map(str, _SUMS(fill.sums)))


def _candle_values(candle: Candle) -> tuple[Any, ...]:
    return (*candle[:7], str(candle.lots), str(candle.quote), candle.trades)


def _read_fill(pair: str, author: PublicKey, row: tuple[Any, ...]) -> FillRow:
    return FillRow._make((pair, author, row[1], bool(row[2]), *row[3:10], Sums(*map(int, row[10:14])), row[14]))
