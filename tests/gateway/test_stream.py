"""The native stream against real peers: books that can be rebuilt and checked, own orders, orders over the socket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any

import pytest
import websockets

from gossipbook.books.checksum import book_checksum
from gossipbook.books.levels import Level
from gossipbook.gateway.native.asyncapi import message_of

from .live import PAIR, Live

WITHIN_S = 20


class Socket:
    """A socket whose answers are told apart by their ids; every message is held to the description."""

    def __init__(self, connection: Any, *, described: bool = True) -> None:
        self.connection = connection
        self.described = described
        self.told: list[dict[str, Any]] = []
        self.answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.number = 0
        self.changed = asyncio.Condition()

    async def read(self) -> None:
        async for text in self.connection:
            message = json.loads(text)
            if self.described:
                message_of(message)
            if "ok" in message:
                if message["id"] in self.answers:
                    self.answers.pop(message["id"]).set_result(message)
                continue
            async with self.changed:
                self.told.append(message)
                self.changed.notify_all()

    async def ask(self, do: str, **request: Any) -> dict[str, Any]:
        self.number += 1
        answer = self.answers[self.number] = asyncio.get_running_loop().create_future()
        await self.connection.send(json.dumps({"id": self.number, "do": do, **request}))
        return await asyncio.wait_for(answer, WITHIN_S)

    async def until(self, condition: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(condition)
        return condition()

    def of(self, channel: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message.get("channel") == channel]


@asynccontextmanager
async def connected(live: Live, account: str = "") -> AsyncIterator[Socket]:
    headers = {"Authorization": f"Bearer {live.token(account)}"} if account else {}
    async with websockets.connect(f"{live.socket_url}/v1/stream", additional_headers=headers) as connection:
        socket = Socket(connection)
        reading = asyncio.create_task(socket.read())
        try:
            yield socket
        finally:
            reading.cancel()


def order(price: str, qty: str = "2", side: str = "buy", **terms: Any) -> dict[str, Any]:
    return {"pair": PAIR, "side": side, "price": price, "qty": qty, **terms}


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), 4 * WITHIN_S)

    asyncio.run(bounded())


def rebuilt(messages: list[dict[str, Any]]) -> dict[str, dict[str, tuple[str, int]]]:
    """A book from a snapshot and what follows, without a gap."""
    sides: dict[str, dict[str, tuple[str, int]]] = {"bids": {}, "asks": {}}
    sequence = -1
    for message in messages:
        if message["type"] == "snapshot":
            sides = {
                side: {row["price"]: (row["qty"], row["orders"]) for row in message[side]} for side in ("bids", "asks")
            }
        else:
            assert message["previous"] == sequence, "a gap"
            for side, levels in sides.items():
                for price, qty, orders in message[side]:
                    if orders:
                        levels[price] = (qty, orders)
                    else:
                        del levels[price]
        sequence = message["sequence"]
    return sides


def checksum(live: Live, book: dict[str, dict[str, tuple[str, int]]]) -> int:
    spec = live.manifest.pair(PAIR)

    def levels(side: str) -> list[Level]:
        rows = [
            Level(int(Decimal(price) / Decimal(spec.tick_size)), int(Decimal(qty) / Decimal(spec.lot_size)), orders)
            for price, (qty, orders) in book[side].items()
        ]
        return sorted(rows, reverse=side == "bids")

    return book_checksum(spec, levels("bids"), levels("asks"))


def test_a_book_is_rebuilt_and_its_checksum_is_right(live: Live) -> None:
    async def scenario() -> None:
        async with connected(live) as reader, connected(live, "alice") as alice, connected(live, "bob") as bob:
            assert (await reader.ask("subscribe", channel="book", pair=PAIR))["ok"]
            for number in range(12):
                await alice.ask("place", **order(f"{60 + number}.50"))
            await bob.ask("place", **order("68.00", "5", "sell"))
            placed = await alice.ask("place", **order("55.00"))
            await alice.ask("cancel", pair=PAIR, client_id=placed["result"]["client_id"])
            height = (await alice.ask("place", **order("54.00")))["result"]["height"]
            await reader.until(lambda: reader.of("book")[-1]["height"] >= height)
            messages = reader.of("book")
            for end in range(1, len(messages) + 1):
                assert checksum(live, rebuilt(messages[:end])) == messages[end - 1]["checksum"]
            now = live.get("/v1/book", pair=PAIR)
            book = rebuilt(messages)
            assert [row["price"] for row in now["bids"]] == sorted(book["bids"], key=Decimal, reverse=True)
            assert len(messages) > 5

    run(scenario)


def test_the_channels_say_the_same(live: Live) -> None:
    async def scenario() -> None:
        async with connected(live) as reader, connected(live, "alice") as alice, connected(live, "bob") as bob:
            for channel in ("top", "l3", "trades", "pending", "prepared"):
                assert (await reader.ask("subscribe", channel=channel, pair=PAIR))["ok"]
            assert (await reader.ask("subscribe", channel="candles", pair=PAIR, width="1m"))["ok"]
            maker = (await alice.ask("place", **order("81.00", "4")))["result"]
            await bob.ask("place", **order("81.00", "1", "sell"))
            trade = await reader.until(lambda: next((t for m in reader.of("trades")[1:] for t in m["trades"]), None))
            assert (trade["price"], trade["qty"], trade["taker_side"]) == ("81.00", "1", "sell")
            await reader.until(lambda: reader.of("top")[-1]["bids"] == [{"price": "81.00", "qty": "3", "orders": 1}])
            steps = [change for message in reader.of("l3")[1:] for change in message["orders"]]
            assert [(c["action"], c["qty"]) for c in steps if c["client_id"] == maker["client_id"]] == [
                ("add", "4"),
                ("change", "3"),
            ]
            candle = await reader.until(lambda: len(reader.of("candles")) > 1 and reader.of("candles")[-1]["candle"])
            assert candle["close"] == "81.00"
            numbers = [t["number"] for m in reader.of("trades") for t in m["trades"]]
            assert numbers == sorted(set(numbers)), "each trade once"
            (before,) = [m for m in reader.of("prepared") if m["trades"]]
            assert before["trades"] == [{"price": "81.00", "qty": "1"}]
            assert (before["type"], before["final"]) == ("update", False)
            (told,) = [m for m in reader.of("trades")[1:] if m["trades"]]
            assert reader.told.index(before) < reader.told.index(told), "it was told before it was final"

    run(scenario)


def test_own_orders_and_fills(live: Live) -> None:
    async def scenario() -> None:
        async with connected(live, "alice") as alice, connected(live, "bob") as bob:
            placed = await alice.ask("place", **order("82.00", "4", text_id=(text := f"own {time.monotonic_ns()}")))
            assert (await alice.ask("subscribe", channel="account", pair=PAIR))["ok"]
            await alice.until(lambda: alice.of("account"))
            snapshot = alice.of("account")[0]
            assert [row["text_id"] for row in snapshot["orders"]] == [text]
            await bob.ask("place", **order("82.00", "1", "sell"))
            await alice.ask("amend", pair=PAIR, text_id=text, qty="3")
            await alice.ask("cancel", pair=PAIR, text_id=text)
            events = lambda: [event for message in alice.of("account")[1:] for event in message["events"]]  # noqa: E731
            await alice.until(lambda: events() and events()[-1]["event"] == "Cancelled")
            assert [(event["event"], event["order"]["open"]) for event in events()] == [
                ("Fill", "3"),
                ("Amended", "2"),
                ("Cancelled", "0"),
            ]
            fill = events()[0]["fill"]
            assert (fill["price"], fill["qty"], fill["role"], fill["text_id"]) == ("82.00", "1", "maker", text)
            row = await alice.ask("order", pair=PAIR, client_id=placed["result"]["client_id"])
            assert row["result"]["status"] == "cancelled"
            assert (await alice.ask("orders", pair=PAIR, only_open=True))["result"]["orders"] == []
            assert (await alice.ask("fills", pair=PAIR, limit=1))["result"]["fills"] == [fill]

    run(scenario)


def test_without_a_key_one_reads_and_nothing_else(live: Live) -> None:
    async def scenario() -> None:
        async with connected(live) as socket:
            assert (await socket.ask("ping"))["ok"]
            refused = await socket.ask("place", **order("1.00"))
            assert refused["problem"]["code"] == "no-key"
            assert (await socket.ask("subscribe", channel="account", pair=PAIR))["problem"]["code"] == "no-key"
            assert (await socket.ask("login", token="x.y"))["problem"]["code"] == "wrong-key"
            login = await socket.ask("login", token=live.token("alice"))
            assert login["result"]["account"] == "alice"
            assert (await socket.ask("place", **order("1.00")))["ok"]

    run(scenario)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad-request"),
        ("[]", "bad-request"),
        ('{"id": 1, "do": "fly"}', "bad-request"),
        ('{"id": 1, "do": "subscribe", "channel": "moon"}', "invalid"),
        ('{"id": 1, "do": "subscribe", "channel": "book", "pair": "XX"}', "unknown-pair"),
        ('{"id": 1, "do": "place", "pair": "BTC-USD", "side": "buy", "qty": 3}', "invalid"),
    ],
)
def test_what_is_no_request_is_told_so(live: Live, text: str, code: str) -> None:
    async def scenario() -> None:
        async with websockets.connect(f"{live.socket_url}/v1/stream") as connection:
            await connection.send(text)
            async with asyncio.timeout(WITHIN_S):
                while "ok" not in (answer := json.loads(await connection.recv())):
                    pass
            assert (answer["ok"], answer["problem"]["code"]) == (False, code)
            await connection.send('{"id": 2, "do": "ping"}')
            async with asyncio.timeout(WITHIN_S):
                while json.loads(await connection.recv()).get("id") != 2:
                    pass

    run(scenario)


def test_two_hundred_subscribers_and_twenty_that_do_not_read(live: Live) -> None:
    """The fast ones lose nothing, the slow ones are told, and memory is bounded."""
    fast, slow, rounds = 180, 20, 30

    async def scenario() -> None:
        async with contextmanagers(live, fast) as readers, connected(live, "alice") as alice:
            stuck = [await stalled(live) for _ in range(slow)]
            before = resident_mib(live.gateway_pid)
            for _ in range(rounds):
                placing = [alice.ask("place", **order(f"{10 + n}.00", str(n + 1))) for n in range(60)]
                await asyncio.gather(*placing)
                await alice.ask("cancel_all", pair=PAIR)
            height = (await alice.ask("place", **order("98.00")))["result"]["height"]
            for reader in readers:
                await reader.until(lambda reader=reader: reader.of("l3")[-1]["height"] >= height)
                messages = reader.of("l3")
                sequence = messages[0]["sequence"]
                for message in messages[1:]:
                    assert (message["type"], message["previous"]) == ("update", sequence), "lost"
                    sequence = message["sequence"]
                assert not [message for message in reader.told if message.get("type") == "lagged"]
            assert resident_mib(live.gateway_pid) - before < 150
            assert all(await asyncio.gather(*(told_of_lag(*each) for each in stuck))), "a slow reader was not told"

    run(scenario)


@asynccontextmanager
async def contextmanagers(live: Live, count: int) -> AsyncIterator[list[Socket]]:
    """So many readers of the book by order."""
    sockets = [await websockets.connect(f"{live.socket_url}/v1/stream") for _ in range(count)]
    readers = [Socket(each, described=False) for each in sockets]
    reading = [asyncio.create_task(reader.read()) for reader in readers]
    try:
        await asyncio.gather(*(reader.ask("subscribe", channel="l3", pair=PAIR) for reader in readers))
        yield readers
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*(each.close() for each in sockets))


async def stalled(live: Live) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A subscriber by hand that asks for a lot, and then does not read."""
    host, _, port = live.url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(SOL_SOCKET, SO_RCVBUF, 32_768)
    head = f"GET /v1/stream HTTP/1.1\r\nhost: {host}:{port}\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    head += "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    for channel in ("l3", "book", "top"):
        body = json.dumps({"do": "subscribe", "channel": channel, "pair": PAIR}).encode()
        writer.write(bytes([0x81, 0x80 | len(body)]) + bytes(4) + body)
    return reader, writer


async def told_of_lag(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the word is in what a socket has to say, or that it was cut off because it was not read for long."""
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_RCVBUF, 2**20)
    seen = b""
    try:
        async with asyncio.timeout(WITHIN_S):
            while b'"lagged"' not in seen:
                part = await reader.read(65_536)
                if not part:
                    return True
                seen = seen[-64:] + part
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    finally:
        writer.close()
    return True


def resident_mib(pid: int) -> float:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4_096 / 2**20
