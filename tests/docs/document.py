"""Runs a document as a reader would who pastes its blocks, one after another, in an empty folder.

``sh`` blocks are run line by line, ``python`` blocks as programs (those with tests by pytest), ``toml`` blocks by the
loader of what they are. A line that goes on until it is interrupted is run beside the others: a peer until it is killed
or the document ends, anything else for a moment. What would run ``make``, and lines whose comment says that they take
minutes, are only looked at. Ports are others than the document's, so that documents can be run side by side.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
READY_S = 30.0
LINE_S = 120.0
MOMENT_S = 2.0
GOES_ON = re.compile(r"--(watch|follow|keep)\b")
MINUTES = "(minutes)"
PORT = re.compile(r"\b7([45]\d\d)\b(?![.\d])")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of the document that it begins at."""

    language: str
    text: str
    line: int


def read_blocks(document: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(each[1], each[2], text[: each.start()].count("\n") + 2) for each in found]


def shell_lines(block: Block) -> Iterator[tuple[int, str]]:
    """The lines of a shell block that are to be run, and where they are."""
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.strip():
            yield number, line.strip()


class Reader:
    """Somebody who pastes, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._peers: list[subprocess.Popen[Any]] = []
        self._base = free_ports()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GOSSIPBOOK_")}
        scripts = folder / ".bin"
        scripts.mkdir()
        script = scripts / "gossipbook"
        code = "import sys; sys.argv[0] = 'gossipbook'; from gossipbook.cli import main; main()"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
        script.chmod(0o755)
        (folder / "simulations").symlink_to(ROOT / "simulations")
        path = f"{scripts}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        self._environment = kept | {"PATH": path, "HOME": str(folder), "COLUMNS": "120"}

    def run(self, block: Block) -> None:
        """Paste one block, and see that it works."""
        match block.language:
            case "sh":
                for number, line in shell_lines(block):
                    self._line(number, line)
            case "python" if "def test_" in block.text:
                file = self.folder / f"test_line_{block.line}.py"
                file.write_text(block.text)
                self._command(block.line, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)])
            case "python":
                self._command(block.line, [sys.executable, "-c", self._moved(block.text)])
            case _:
                pass

    def close(self) -> None:
        """End all peers."""
        for peer in self._peers:
            peer.terminate()
        for peer in self._peers:
            peer.wait(READY_S)

    def _line(self, number: int, line: str) -> None:
        words = shlex.split(line, comments=True)
        if words[0] == "make" or words[0] == "." or MINUTES in line:
            return
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self._environment[name] = value
        elif words[:2] == ["gossipbook", "start"]:
            self._start(words)
        elif words[:3] == ["gossipbook", "gateway", "run"]:
            self._start_gateway(shlex.split(self._moved(line), comments=True))
        elif GOES_ON.search(line):
            self._for_a_moment(number, words)
        else:
            if words[:3] == ["gossipbook", "network", "init"] and "--first-port" not in words:
                line = line.replace("network init", "network init --first-port 7401", 1)
            self._command(number, ["bash", "-c", self._moved(line)])

    def _moved(self, text: str) -> str:
        """The same at other ports."""
        return PORT.sub(lambda found: str(self._base + int(found[1]) - 400), text)

    def _command(self, number: int, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=LINE_S, check=False
        )
        assert done.returncode == 0, f"line {number}: {command[-1]}\n{done.stdout}\n{done.stderr}"

    def _start(self, words: list[str]) -> None:
        home = self.folder / words[2]
        log = (self.folder / f"{home.name}.log").open("ab")
        peer = subprocess.Popen(words, cwd=self.folder, env=self._environment, stdout=log, stderr=log)
        self._peers.append(peer)
        endpoint = home / "data" / "endpoint.json"
        end_s = time.monotonic() + READY_S
        while not (endpoint.exists() and json.loads(endpoint.read_text())["pid"] == peer.pid):
            assert peer.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < end_s, f"{home} is not ready"
            time.sleep(0.05)

    def _start_gateway(self, words: list[str]) -> None:
        gateway = subprocess.Popen(words, cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._peers.append(gateway)
        assert gateway.stdout is not None
        assert gateway.stdout.readline().startswith("ready")
        threading.Thread(target=gateway.stdout.read, daemon=True).start()

    def _for_a_moment(self, number: int, words: list[str]) -> None:
        process = subprocess.Popen(
            words, cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        time.sleep(MOMENT_S)
        assert process.poll() is None, f"line {number} ended by itself: {process.communicate()[0].decode()}"
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=READY_S)
        assert process.returncode == 0, f"line {number}: {said.decode()}"


def free_ports() -> int:
    """The first of two hundred ports that are probably free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        start = 20_000 + int(probe.getsockname()[1]) % 50 * 200
    for base in range(start, 30_000, 200):  # and health checks are at 100 above each peer's port
        if all(map(_is_free, [*range(base + 1, base + 10), *range(base + 101, base + 110)])):
            return base
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
