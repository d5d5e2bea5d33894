"""Orders by text id over HTTP and over the socket, through two leader kills and a gateway kill: each certified once.

    python benchmarks/exactly_once.py [--orders 10000] [--json]

Half of the orders go over HTTP, half over a socket. A bot that gets no answer, or one that says "unknown" or "ask
again", places the same order again under the same text id; it keeps nothing but that. A quarter of the way the leader
is killed (SIGKILL) and started again, half way the gateway, three quarters of the way whoever leads then. At the end
all orders of the account are read from a peer's archive by the library: each text must be there once.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import websockets

import gossipbook
from gossipbook.errors import GossipbookError

PAIR = "BTC-USD"
AT_A_TIME = 16
AGAIN_S = 0.2
LATE_S = 300.0


class Bots:
    """Two bots of one account, and what they count."""

    def __init__(self, ready: dict[str, Any], orders: int) -> None:
        self.ready = ready
        self.orders = orders
        self.token = ready["accounts"][0]["token"]
        self.done = 0
        self.again = 0
        self.progressed = asyncio.Event()

    def order(self, number: int) -> dict[str, Any]:
        """One that finds nobody on the other side and is gone at once: an author has only so many open orders."""
        terms = {"pair": PAIR, "side": "buy", "price": f"{1 + number % 90}.25", "qty": "3", "tif": "ioc"}
        return terms | {"text_id": f"bot {number}"}

    def note(self) -> None:
        self.done += 1
        self.progressed.set()

    async def reached(self, count: int) -> None:
        while self.done < count:
            self.progressed.clear()
            await self.progressed.wait()

    # -- HTTP ---------------------------------------------------------------------------------------

    async def over_http(self, numbers: list[int]) -> None:
        gate = asyncio.Semaphore(AT_A_TIME)
        headers = {"authorization": f"Bearer {self.token}"}
        limits = httpx.Limits(max_connections=AT_A_TIME)
        async with httpx.AsyncClient(base_url=self.ready["url"], headers=headers, timeout=20, limits=limits) as client:

            async def one(number: int) -> None:
                async with gate:
                    while not await self._once(client, number):
                        self.again += 1
                        await asyncio.sleep(AGAIN_S)
                    self.note()

            await asyncio.gather(*(one(number) for number in numbers))

    async def _once(self, client: httpx.AsyncClient, number: int) -> bool:
        try:
            answer = await client.post("/v1/order", json=self.order(number))
        except httpx.HTTPError:
            return False
        if answer.status_code in (200, 202):
            return bool(answer.json()["progress"] == "certified")
        assert answer.status_code in (429, 503), answer.text
        return False

    # -- socket -------------------------------------------------------------------------------------

    async def over_socket(self, numbers: list[int]) -> None:
        left = dict.fromkeys(numbers)
        url = self.ready["url"].replace("http", "ws", 1) + "/v1/stream"
        headers = {"Authorization": f"Bearer {self.token}"}
        while left:
            try:
                async with websockets.connect(url, additional_headers=headers) as socket:
                    await self._session(socket, left)
            except (OSError, websockets.WebSocketException, TimeoutError):
                self.again += 1
                await asyncio.sleep(AGAIN_S)

    async def _session(self, socket: Any, left: dict[int, None]) -> None:
        """Send what is left, so many at a time, until all is certified or the socket ends."""
        waiting: dict[int, None] = {}
        while left:
            for number in list(left):
                if len(waiting) >= AT_A_TIME:
                    break
                if number not in waiting:
                    waiting[number] = None
                    await socket.send(json.dumps({"id": number, "do": "place", **self.order(number)}))
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            if "ok" not in message:
                continue
            number = message["id"]
            del waiting[number]
            if message["ok"] and message["result"]["progress"] == "certified":
                del left[number]
                self.note()
            else:
                self.again += 1


class Faults:
    """Kills, and starts again, what the demonstration started."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.pids = {peer["name"]: peer["pid"] for peer in ready["peers"]}
        self.gateway_pid: int = ready["gateway_pid"]
        self.started: list[subprocess.Popen[bytes]] = []
        self.kills: list[str] = []

    async def kill_leader(self) -> None:
        async with httpx.AsyncClient(base_url=self.ready["url"], timeout=10) as client:
            rows = (await client.get("/v1/status")).json()["pairs"]
        leader = next(row["leader"] for row in rows if row["pair"] == PAIR)
        os.kill(self.pids[leader], signal.SIGKILL)
        self.kills.append(leader)
        await asyncio.sleep(2.0)  # long enough for another one to take over
        folder = str(Path(self.ready["folder"]) / leader)
        self.pids[leader] = await self._start("start", folder, "--json")

    async def kill_gateway(self) -> None:
        os.kill(self.gateway_pid, signal.SIGKILL)
        self.kills.append("gateway")
        await asyncio.sleep(0.5)
        command = ["gateway", "run", "--json", "--network", self.ready["network"]]
        command += ["--folder", str(Path(self.ready["folder"]) / "gateway")]
        command += ["--listen", self.ready["url"].partition("://")[2]]
        command += [f"--peer={peer['address']}" for peer in self.ready["peers"]]
        self.gateway_pid = await self._start(*command)

    async def _start(self, *arguments: str) -> int:
        def start() -> int:
            command = [sys.executable, "-m", "gossipbook", *arguments]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.started.append(process)
            assert process.stdout is not None
            return int(json.loads(process.stdout.readline())["pid"])

        return await asyncio.to_thread(start)

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


async def run(ready: dict[str, Any], orders: int) -> dict[str, Any]:
    bots, faults = Bots(ready, orders), Faults(ready)
    began_s = time.monotonic()

    async def break_things() -> None:
        for share, fault in ((1, faults.kill_leader), (2, faults.kill_gateway), (3, faults.kill_leader)):
            await bots.reached(orders * share // 4)
            await fault()

    try:
        numbers = range(orders)
        await asyncio.gather(
            bots.over_http([*numbers[::2]]), bots.over_socket([*numbers[1::2]]), break_things(), watch(bots)
        )
        texts = await certified_texts(ready, orders)
    finally:
        faults.end()
    expected = {f"bot {number}" for number in range(orders)}
    return {
        "orders": orders,
        "certified_once": sum(texts[text] == 1 for text in expected),
        "certified_more": sum(count > 1 for count in texts.values()),
        "missing": sum(text not in texts for text in expected),
        "placed_again": bots.again,
        "kills": faults.kills,
        "seconds": round(time.monotonic() - began_s, 1),
    }


async def watch(bots: Bots) -> None:
    """Show how far it is, and end it when nothing goes on any more."""
    done, since_s = -1, time.monotonic()
    while bots.done < bots.orders:
        if bots.done != done:
            done, since_s = bots.done, time.monotonic()
        assert time.monotonic() - since_s < LATE_S, "nothing goes on any more"
        if sys.stderr.isatty():
            print(f"\r{done:,} of {bots.orders:,}", end="", file=sys.stderr)
        await asyncio.sleep(0.5)


async def certified_texts(ready: dict[str, Any], orders: int) -> Counter[str]:
    """How often each text id is in the archive of a peer."""
    manifest = gossipbook.Manifest.from_file(ready["network"])
    author = gossipbook.load_key(Path(ready["folder"]) / "gateway" / "keys" / "alice.key").public_key
    texts: Counter[str] = Counter()
    addresses = [peer["address"] for peer in ready["peers"]]
    async with gossipbook.aio.open_client(addresses, manifest=manifest) as client:
        pair = await client.pair(PAIR)
        last = 0
        while True:
            try:
                page = await pair.orders(author, after=last)
            except GossipbookError:
                await asyncio.sleep(AGAIN_S)
                continue
            texts.update(row["text_id"] for row in page["orders"])
            if page["orders"]:
                last = page["orders"][-1]["number"]
            elif sum(texts.values()) >= orders:
                return texts
            else:  # That archive is a little behind what is certified.
                await asyncio.sleep(AGAIN_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = [sys.executable, "-m", "gossipbook", "demo", "--stay", "--json", "--ops-per-s", "0"]
    with subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout is not None
            told = asyncio.run(run(json.loads(demo.stdout.readline()), options.orders))
        finally:
            demo.send_signal(signal.SIGINT)
    if options.json:
        print(json.dumps(told))
    else:
        print("\n".join(f"{name:15} {value}" for name, value in told.items()))
    sys.exit(told["certified_once"] != options.orders or bool(told["certified_more"]))


if __name__ == "__main__":
    main()
