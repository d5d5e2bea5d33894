"""A key that is revoked: what was begun with it ends, over every socket."""

import asyncio
import hashlib
import hmac
import json
import time
from contextlib import closing

import pytest
import websockets

from gossipbook.gateway.accounts import AccountFile, ApiKey, Scope
from gossipbook.gateway.settings import USER_STREAMS_CAP

from .live import PAIR, Live

WITHIN_S = 30
AWAY = 1001


def made(live: Live, account: str) -> ApiKey:
    with closing(AccountFile(live.folder / "gateway")) as accounts:
        return accounts.add_key(account, [Scope.TRADE])


def revoke(live: Live, key: ApiKey) -> None:
    with closing(AccountFile(live.folder / "gateway")) as accounts:
        accounts.revoke(key.id)


def token(key: ApiKey) -> str:
    assert key.secret is not None
    return f"{key.id}.{key.secret.decode()}"


def signed(key: ApiKey, **params: object) -> dict[str, object]:
    assert key.secret is not None
    params |= {"apiKey": key.id, "timestamp": int(time.time() * 1_000)}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return params | {"signature": hmac.new(key.secret, payload.encode(), hashlib.sha256).hexdigest()}


def listen_key(live: Live, key: ApiKey) -> str:
    answer = live.call("POST", "/api/v3/userDataStream", headers={"x-mbx-apikey": key.id})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["listenKey"])


async def answer_to(socket: websockets.ClientConnection, number: int) -> dict[str, object]:
    async with asyncio.timeout(WITHIN_S):
        while (told := json.loads(await socket.recv())).get("id") != number:
            pass
    return dict(told)


async def ended(socket: websockets.ClientConnection) -> int:
    """How a socket was closed."""
    async with asyncio.timeout(WITHIN_S):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code


async def drain(socket: websockets.ClientConnection) -> list[dict[str, object]]:
    return [json.loads(message) async for message in socket]


@pytest.mark.parametrize("way", ["listen key", "requests"])
def test_the_dialects_streams_are_closed(live: Live, way: str) -> None:
    key = made(live, "alice")

    async def scenario() -> None:
        path = f"/ws/{listen_key(live, key)}" if way == "listen key" else "/ws-api/v3"
        async with websockets.connect(live.socket_url + path) as socket:
            if way == "requests":
                asked = {"id": 1, "method": "userDataStream.subscribe.signature", "params": signed(key)}
                await socket.send(json.dumps(asked))
                assert (await answer_to(socket, 1))["status"] == 200
            else:
                await socket.send(json.dumps({"id": 1, "method": "LIST_SUBSCRIPTIONS"}))
                assert len((await answer_to(socket, 1))["result"]) == 1  # type: ignore[arg-type]
            reading = asyncio.create_task(drain(socket))
            await asyncio.to_thread(live.place, "alice", "buy", "12.00", "1")
            await asyncio.to_thread(revoke, live, key)
            while not reading.done():  # A revoked key counts no more after a moment.
                await asyncio.to_thread(live.place, "alice", "buy", "12.00", "1")
            told = await reading
            assert [row for row in told if "executionReport" in json.dumps(row)], "it was served until then"
            assert await ended(socket) == AWAY

    asyncio.run(asyncio.wait_for(scenario(), 2 * WITHIN_S))
    live.clear()


def test_a_socket_of_the_native_api_may_do_nothing_more(live: Live) -> None:
    key = made(live, "alice")

    async def scenario() -> None:
        headers = {"Authorization": f"Bearer {token(key)}"}
        async with websockets.connect(f"{live.socket_url}/v1/stream", additional_headers=headers) as socket:
            order = {"do": "place", "pair": PAIR, "side": "buy", "price": "13.00", "qty": "1"}
            await socket.send(json.dumps({"id": 1, **order}))
            assert (await answer_to(socket, 1))["ok"]
            await asyncio.to_thread(revoke, live, key)
            number, told = 1, {"ok": True}
            while told["ok"]:
                number += 1
                await socket.send(json.dumps({"id": number, **order}))
                told = await answer_to(socket, number)
            assert told["problem"]["code"] == "wrong-key"  # type: ignore[index]

    asyncio.run(asyncio.wait_for(scenario(), 2 * WITHIN_S))
    live.clear()


def test_user_streams_of_one_socket_have_a_bound(live: Live) -> None:
    key = made(live, "alice")

    async def scenario() -> None:
        async with websockets.connect(f"{live.socket_url}/ws-api/v3") as socket:
            for number in range(USER_STREAMS_CAP + 1):
                asked = {"id": number, "method": "userDataStream.subscribe.signature", "params": signed(key)}
                await socket.send(json.dumps(asked))
                status = (await answer_to(socket, number))["status"]
                assert status == (200 if number < USER_STREAMS_CAP else 429)

    asyncio.run(asyncio.wait_for(scenario(), 2 * WITHIN_S))
    revoke(live, key)


def test_orders_and_fills_from_an_id_on(live: Live) -> None:
    """Programs page through what they had by the id of an order, whatever ids came before it."""
    key = made(live, "alice")
    placed = [live.place("alice", "buy", f"{20 + n}.00", "2") for n in range(3)]
    live.place("bob", "sell", "20.00", "6")
    assert key.secret is not None

    def get(path: str, **params: object) -> list[dict[str, object]]:
        given = signed(key, symbol="BTCUSD", **params)
        del given["apiKey"], given["signature"]
        query = "&".join(f"{name}={value}" for name, value in given.items())
        assert key.secret is not None
        query += "&signature=" + hmac.new(key.secret, query.encode(), hashlib.sha256).hexdigest()
        answer = live.call("GET", f"{path}?{query}", headers={"x-mbx-apikey": key.id})
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    ids = [row["client_id"] for row in placed]
    assert [row["orderId"] for row in get("/api/v3/allOrders", orderId=ids[1])] == ids[1:]
    assert [row["orderId"] for row in get("/api/v3/allOrders", orderId=ids[0], limit=2)] == ids[:2]
    (fill,) = get("/api/v3/myTrades", orderId=ids[1])
    assert (fill["orderId"], fill["price"], fill["qty"]) == (ids[1], "21.00", "2")
    assert get("/api/v3/myTrades", orderId=10**12) == []
    revoke(live, key)
    live.clear()
