"""Four real peers and a gateway as processes, and what talks to them as a stranger's program would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from gossipbook.manifest import Manifest

READY_S = 60.0
DEADLINE_S = 30.0
POLL_S = 0.05
PAIR = "BTC-USD"


class Live:
    """What ``gossipbook demo --stay --json`` says, and calls of the native API."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self.url: str = ready["url"]
        self.socket_url = self.url.replace("http", "ws", 1)
        self.folder = Path(ready["folder"])
        self.manifest = Manifest.from_file(ready["network"])
        self.peers = {peer["name"]: peer for peer in ready["peers"]}
        self.accounts = {row["account"]: row for row in ready["accounts"]}
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._gateways: list[subprocess.Popen[bytes]] = []
        self.gateway_pid: int = ready["gateway_pid"]

    def token(self, account: str) -> str:
        return str(self.accounts[account]["token"])

    def call(self, method: str, path: str, account: str = "", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token(account)}"} if account else {}
        return self.http.request(method, path, headers=headers | options.pop("headers", {}), **options)

    def get(self, path: str, account: str = "", **params: Any) -> Any:
        answer = self.call("GET", path, account, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def place(self, account: str, side: str, price: str, qty: str, code: int = 200, **terms: Any) -> dict[str, Any]:
        order = {"pair": PAIR, "side": side, "price": price, "qty": qty, **terms}
        answer = self.call("POST", "/v1/order", account, json=order)
        assert answer.status_code == code, answer.text
        return dict(answer.json())

    def clear(self) -> None:
        """Leave nothing in the book of the accounts, what is still on its way included."""

        def is_empty() -> bool:
            for account in self.accounts:
                for pair in self.manifest.symbols():
                    self.call("DELETE", "/v1/orders", account, params={"pair": pair})
            book = self.get("/v1/book", pair=PAIR)
            return not book["bids"] and not book["asks"]

        until(is_empty, "an empty book")

    def peer_folder(self, name: str) -> Path:
        return self.folder / name

    def kill_gateway(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        os.kill(self.gateway_pid, signal.SIGKILL)
        until(lambda: not is_alive(self.gateway_pid), "the gateway's end")

    def start_gateway(self) -> None:
        """Start it where it was."""
        command = [sys.executable, "-m", "gossipbook", "gateway", "run", "--json", "--network", self.ready["network"]]
        command += ["--folder", str(self.folder / "gateway"), "--listen", self.url.partition("://")[2]]
        command += [f"--peer={peer['address']}" for peer in self.ready["peers"]]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        self.gateway_pid = int(json.loads(process.stdout.readline())["pid"])
        self._gateways.append(process)

    def start_peer(self, name: str) -> None:
        """Start a peer that was killed, on its folder."""
        command = [sys.executable, "-m", "gossipbook", "start", str(self.peer_folder(name)), "--json"]
        with (self.peer_folder(name) / "log.txt").open("ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        process.stdout.readline()
        self._gateways.append(process)
        self.peers[name]["pid"] = process.pid

    def close(self) -> None:
        self.http.close()
        for process in self._gateways:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextmanager
def live_network(*options: str) -> Iterator[Live]:
    """For the length of the block."""
    command = [sys.executable, "-m", "gossipbook", "demo", "--stay", "--json", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    live = None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        live = Live(json.loads(line))
        until(lambda: live.call("GET", "/v1/status").json()["linked"], "a gateway that is linked")
        yield live
    finally:
        if live is not None:
            live.close()
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.communicate()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition: Callable[[], Any], what: str, within_s: float = DEADLINE_S) -> Any:
    """Ask again and again until the condition gives something true, which is returned."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if found := condition():
            return found
        time.sleep(POLL_S)
    raise AssertionError(f"not within {within_s:.0f} s: {what}")
