"""The servers that a gateway might stand on: CPU of a request and of a socket message, and what a slow reader does.

    python benchmarks/asgi.py [--minutes N]

Makes a virtual environment of the candidates in build/asgi. CPU is that of the server's process; the load comes from
this one over eight connections, a request at a time on each. ``--minutes`` keeps them all under a steady load of 200
requests a second each for so long and prints their memory as they go.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from simulation import yardstick

ROOT = Path(__file__).parent.parent
VENV = ROOT / "build" / "asgi" / "venv"
CANDIDATES = Path(__file__).parent / "servers" / "candidates.py"
PACKAGES = ("hypercorn", "starlette", "uvicorn", "httptools", "uvloop", "websockets", "wsproto", "granian", "trio")
SERVERS = (
    "hypercorn on trio",
    "uvicorn, h11, wsproto",
    "uvicorn, httptools, websockets",
    "uvicorn, httptools, websockets, uvloop",
    "uvicorn, httptools, sansio, uvloop",
    "granian",
)
PORT = 7_951
REQUESTS, MESSAGES, CONNECTIONS = 6_400, 6_400, 8
SLOW_S = 5.0
PART_BYTES = 4_000
STEADY_PER_S = 200
ORDER = {"pair": "BTC-USD", "side": "buy", "price": "100.25", "qty": "3", "text_id": "grid 17"}
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def served(name: str, port: int) -> Iterator[int]:
    """A server for the length of the block; gives its process id."""
    with subprocess.Popen([VENV / "bin" / "python", CANDIDATES, name, str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(200):
                with suppress(OSError):
                    asyncio.run(requests(port, 1, 1))
                    break
                time.sleep(0.05)
            yield server.pid
        finally:
            server.kill()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes = b"") -> bytes:
    head = f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert b" 200" in answer[:16], answer
    return await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))


async def requests(port: int, count: int, connections: int) -> None:
    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // connections):
            await request(reader, writer, "/order", json.dumps(ORDER).encode())
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))


async def socket(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13"
    writer.write(
        f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n{key}\r\n\r\n".encode()
    )
    return reader, writer


async def messages(port: int, count: int, connections: int) -> None:
    body = json.dumps(ORDER).encode()
    mask = bytes(4)
    frame = bytes([0x81, 0x80 | len(body)]) + mask + body
    assert len(body) < 126

    async def one() -> None:
        reader, writer = await socket(port, "/echo")
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(count // connections):
            writer.write(frame)
            length = (await reader.readexactly(2))[1]
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def slow_reader(port: int) -> float:
    """Megabytes that a server sends to somebody who does not read."""
    reader, writer = await socket(port, "/flood")
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(SLOW_S)
    told = json.loads(await request(*await asyncio.open_connection("127.0.0.1", port), "/sent"))
    writer.close()
    return float(told["sent"]) * PART_BYTES / 1e6


async def steady_minute(port: int) -> None:
    """A minute of steady load, with a new connection for every tenth request."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        begun_s = time.monotonic()
        await requests(port, STEADY_PER_S // 10, 2)
        await asyncio.sleep(max(0.0, begun_s + 0.1 - time.monotonic()))


def memory(minutes: int) -> None:
    """MiB resident of all candidates, each under a steady load, at the beginning and after each minute."""
    with ExitStack() as stack:
        ports = [PORT + number for number in range(len(SERVERS))]
        pids = [stack.enter_context(served(name, port)) for name, port in zip(SERVERS, ports, strict=True)]
        print("| minute | " + " | ".join(SERVERS) + " |")
        print("|---:|" + "---:|" * len(SERVERS))

        async def minute() -> None:
            await asyncio.gather(*map(steady_minute, ports))

        for number in range(minutes + 1):
            print(f"| {number} | " + " | ".join(f"{resident_mib(pid):.1f}" for pid in pids) + " |", flush=True)
            if number < minutes:
                asyncio.run(minute())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=0)
    minutes = parser.parse_args().minutes
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    print(f"yardstick {yardstick():.2f} s")
    print(
        "| server | µs of CPU a request | a socket message | MB sent to, and MiB resident with, a reader who does not |"
    )
    print("|---|---:|---:|---:|")
    for number, name in enumerate(SERVERS):
        port = PORT + number
        with served(name, port) as pid:
            costs = []
            for load, count in ((requests, REQUESTS), (messages, MESSAGES)):
                asyncio.run(load(port, count // 8, CONNECTIONS))
                before_s = cpu_s(pid)
                asyncio.run(load(port, count, CONNECTIONS))
                costs.append(1e6 * (cpu_s(pid) - before_s) / count)
            kept = f"{asyncio.run(slow_reader(port)):.1f}, {resident_mib(pid):.0f}"
            print(f"| {name} | {costs[0]:.0f} | {costs[1]:.0f} | {kept} |", flush=True)
    if minutes:
        memory(minutes)


if __name__ == "__main__":
    main()
