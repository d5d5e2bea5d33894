"""The demonstration's gateway: a process of its own in front of the peers, with two accounts to trade with."""

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from gossipbook.cli.operate.gateway_key import gateway_client_key
from gossipbook.demo.network import DemoFailed
from gossipbook.gateway.accounts import AccountFile, Scope
from gossipbook.gateway.settings import LISTEN
from gossipbook.ids import PublicKey
from gossipbook.own_command import own_command
from gossipbook.storage.keys import create_key

ACCOUNTS: Final = ("alice", "bob")
READY_S: Final = 20.0
STOP_S: Final = 10.0
NEEDED: Final = ("fastapi", "uvicorn", "httptools")


class DemoAccount(NamedTuple):
    """``token`` is the API key as a bearer: its id, a full stop, its secret."""

    name: str
    key_id: str
    secret: str

    @property
    def token(self) -> str:
        return f"{self.key_id}.{self.secret}"


def can_serve() -> bool:
    """Whether what a gateway needs is installed."""
    return all(importlib.util.find_spec(name) for name in NEEDED)


class GatewayProcess:
    """One ``gossipbook gateway`` process. Its folder, key and accounts are made at once."""

    def __init__(self, folder: Path, network: Path, listen: str = "") -> None:
        self.folder = folder
        self.url = ""
        self.client: PublicKey = gateway_client_key(folder)
        self.accounts = [*_make_accounts(folder)]
        self._network = network
        self._listen = listen
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, peers: list[str]) -> None:
        """Start the process and wait until it serves: at its usual port, or at any if that is taken.

        Raises:
            DemoFailed: with the last lines of its log.
        """
        for listen in [self._listen] if self._listen else [LISTEN, "127.0.0.1:0"]:
            await self._start(listen, peers)
            if self.url:
                self._listen = self.url.partition("://")[2]  # Where it is found again after a kill.
                return
        log = (self.folder / "log.txt").read_text(errors="replace").splitlines()
        raise DemoFailed(f"the gateway did not start: {' / '.join(log[-3:]) or '(no output)'}")

    async def _start(self, listen: str, peers: list[str]) -> None:
        command = own_command("gateway", "run", "--json", "--network", str(self._network))
        command += ["--folder", str(self.folder), "--listen", listen, *(f"--peer={peer}" for peer in peers)]
        self.url = ""
        out = self.folder / "out.txt"
        with (self.folder / "log.txt").open("ab") as log, out.open("wb") as lines:
            self._process = process = await trio.to_thread.run_sync(
                lambda: subprocess.Popen(command, stdout=lines, stderr=log, stdin=subprocess.DEVNULL)
            )
        with trio.move_on_after(READY_S):
            while process.poll() is None:
                line, _, _ = out.read_text(encoding="utf-8").partition("\n")
                if line.endswith("}"):
                    ready: dict[str, Any] = json.loads(line)
                    self.url = str(ready["url"])
                    return
                await trio.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and wait; SIGKILL when that takes too long."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            with trio.move_on_after(STOP_S) as scope:
                scope.shield = True
                await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            self.kill()


def _make_accounts(folder: Path) -> list[DemoAccount]:
    file = AccountFile(folder)
    made = []
    for name in ACCOUNTS:
        key_file = folder / "keys" / f"{name}.key"
        create_key(key_file)
        file.add_account(name, key_file)
        key = file.add_key(name, [Scope.TRADE])
        assert key.secret is not None
        made.append(DemoAccount(name, key.id, key.secret.decode()))
    file.close()
    return made
