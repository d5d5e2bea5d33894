"""One small application under each of the servers that a gateway might stand on. Run by ``benchmarks/asgi.py``.

    python candidates.py NAME PORT

``POST /order`` reads an order and answers; ``/echo`` is a socket that answers each order; ``/flood`` one that sends as
fast as it may; ``GET /sent`` tells how much of that was taken.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

PART = "x" * 4_000
sent = 0


def answer(text: bytes | str) -> str:
    order = json.loads(text)
    return json.dumps({"text_id": order["text_id"], "status": "pending"})


async def place(request: Request) -> Response:
    return Response(answer(await request.body()), media_type="application/json")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(answer(text))


async def flood(socket: WebSocket) -> None:
    global sent
    await socket.accept()
    while True:
        await socket.send_text(PART)
        sent += 1


async def told(_: Request) -> Response:
    return JSONResponse({"sent": sent})


app = Starlette(
    routes=[
        Route("/order", place, methods=["POST"]),
        Route("/sent", told),
        WebSocketRoute("/echo", echo),
        WebSocketRoute("/flood", flood),
    ]
)


def hypercorn_trio(port: int) -> None:
    import trio
    from hypercorn.config import Config
    from hypercorn.trio import serve

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    trio.run(serve, app, config)


def uvicorn(port: int, **options: Any) -> None:
    import uvicorn as server

    server.run(app, host="127.0.0.1", port=port, access_log=False, log_level="error", **options)


def granian(port: int) -> None:
    import asyncio

    from granian.constants import Interfaces
    from granian.server.embed import Server  # one process, which is what is measured

    asyncio.run(Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI).serve())


H11 = {"http": "h11", "loop": "asyncio", "ws": "wsproto"}
HTTPTOOLS = {"http": "httptools", "loop": "asyncio", "ws": "websockets"}
SERVERS: dict[str, Callable[[int], None]] = {
    "hypercorn on trio": hypercorn_trio,
    "uvicorn, h11, wsproto": partial(uvicorn, **H11),
    "uvicorn, httptools, websockets": partial(uvicorn, **HTTPTOOLS),
    "uvicorn, httptools, websockets, uvloop": partial(uvicorn, **HTTPTOOLS | {"loop": "uvloop"}),
    "uvicorn, httptools, sansio, uvloop": partial(uvicorn, **HTTPTOOLS | {"loop": "uvloop", "ws": "websockets-sansio"}),
    "granian": granian,
}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
