"""What a gateway adds: orders a second and submit to certified over HTTP and a socket, beside the Python client.

    python benchmarks/gateway.py [--orders 1500]

One run on one network of four peers (``gossipbook demo --stay``), each way in turn with the same orders, which do
not trade. CPU is that of the gateway's process over all of its orders, or of the program with the Python client; the
peers' own is not in it. Orders go out by one author, so many at a time; latency is measured with one at a time.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httptools  # noqa: F401 - without it there is no gateway
import websockets

import gossipbook
import gossipbook.aio

sys.path.insert(0, str(Path(__file__).parent))
from simulation import yardstick

TICKS = os.sysconf("SC_CLK_TCK")
AT_A_TIME = 32
ALONE = 150
Place = Callable[[int], Awaitable[None]]


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def order(number: int, tag: str) -> dict[str, Any]:
    """One that finds nobody on the other side and is gone at once: an author has only so many open orders."""
    terms = {"pair": "BTC-USD", "side": "buy", "price": f"{1 + number % 100}.25", "qty": "3", "tif": "ioc"}
    return terms | {"text_id": f"{tag}{number}"}


class Http:
    """Some connections that are kept, one request at a time on each."""

    def __init__(self, url: str, token: str) -> None:
        self.host, _, self.port = url.partition("://")[2].partition(":")
        self.token = token
        self.idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def open(self, count: int) -> None:
        for _ in range(count):
            self.idle.put_nowait(await asyncio.open_connection(self.host, int(self.port)))

    async def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        reader, writer = await self.idle.get()
        body = json.dumps(content).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nauthorization: Bearer {self.token}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        told = await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))
        self.idle.put_nowait((reader, writer))
        assert answer.startswith((b"http/1.1 200", b"http/1.1 202")), told
        return dict(json.loads(told))


class Socket:
    """One socket, whose answers are told apart by their ids."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.number = 0

    async def read(self) -> None:
        async for text in self.connection:
            message = json.loads(text)
            if "ok" in message:
                assert message["ok"], message
                self.waiting.pop(message["id"]).set_result(message["result"])

    async def ask(self, **request: Any) -> dict[str, Any]:
        self.number += 1
        answer = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        await self.connection.send(json.dumps({"id": self.number, **request}))
        return await answer


async def measure(name: str, pid: int, place: Place, orders: int) -> None:
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int) -> None:
        async with gate:
            await place(number)

    await asyncio.gather(*(one(number) for number in range(100)))  # what is first is slower
    begun_s, cpu_before_s = time.monotonic(), cpu_s(pid)
    await asyncio.gather(*(one(number) for number in range(100, 100 + orders)))
    took_s, cpu_ms = time.monotonic() - begun_s, 1e3 * (cpu_s(pid) - cpu_before_s) / orders
    alone = []
    for number in range(100 + orders, 100 + orders + ALONE):
        asked_s = time.monotonic()
        await place(number)
        alone.append(1e3 * (time.monotonic() - asked_s))
    alone.sort()
    p50, p99 = alone[len(alone) // 2], alone[int(len(alone) * 0.99)]
    print(f"| {name} | {orders / took_s:,.0f} | {p50:.1f} | {p99:.1f} | {cpu_ms:.2f} |", flush=True)


async def run(ready: dict[str, Any], orders: int) -> None:
    token, pid = ready["accounts"][0]["token"], ready["gateway_pid"]
    print("| way | orders/s | p50 ms | p99 ms | CPU ms an order |\n|---|---:|---:|---:|---:|")
    manifest = gossipbook.Manifest.from_file(ready["network"])
    addresses = [peer["address"] for peer in ready["peers"]]
    async with gossipbook.aio.open_client(addresses, manifest=manifest) as client:
        key_file = Path(ready["folder"]) / "bench.key"
        gossipbook.create_key(key_file)
        wallet = gossipbook.aio.Wallet.open(key_file, client.chain_id)
        pair = await client.pair("BTC-USD")

        async def by_client(number: int) -> None:
            asked = order(number, "c")
            asked.pop("pair")
            placed = await pair.place(wallet, asked.pop("side"), **asked)
            assert not (await placed.certified()).rejected

        await measure("Python client", os.getpid(), by_client, orders)
        wallet.close()
    http = Http(ready["url"], token)
    await http.open(AT_A_TIME)

    async def by_http(number: int) -> None:
        assert (await http.post("/v1/order", order(number, "h")))["progress"] == "certified"

    await measure("HTTP", pid, by_http, orders)
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(
        f"ws://{ready['url'].partition('://')[2]}/v1/stream", additional_headers=headers
    ) as ws:
        socket = Socket(ws)
        reading = asyncio.create_task(socket.read())

        async def by_socket(number: int) -> None:
            assert (await socket.ask(do="place", **order(number, "s")))["progress"] == "certified"

        await measure("socket", pid, by_socket, orders)
        reading.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_500)
    orders = parser.parse_args().orders
    print(f"yardstick {yardstick():.2f} s")
    command = [sys.executable, "-m", "gossipbook", "demo", "--stay", "--json", "--ops-per-s", "0"]
    command += ["--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            asyncio.run(run(json.loads(demo.stdout.readline()), orders))
        finally:
            demo.send_signal(signal.SIGINT)


if __name__ == "__main__":
    main()
