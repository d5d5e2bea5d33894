"""Where the dialect is served."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from gossipbook.gateway.binance.call import Dialect, Symbols
from gossipbook.gateway.binance.rest import Rest
from gossipbook.gateway.binance.sockets import Requests, Streams, Tellers
from gossipbook.gateway.binance.user_keys import LISTEN_KEYS_CAP
from gossipbook.gateway.gateway import Gateway
from gossipbook.ordered import BoundedDict

METHODS = ["GET", "POST", "PUT", "DELETE"]


def routes(gateway: Gateway) -> list[BaseRoute]:
    """All of the dialect's."""
    dialect = Dialect(gateway, Symbols(gateway.manifest), BoundedDict(LISTEN_KEYS_CAP))
    rest, tellers = Rest(dialect), Tellers(dialect)

    async def answer(request: Request) -> Response:
        return await rest.answer(request)

    async def streams(socket: WebSocket) -> None:
        names = [name for name in str(socket.path_params.get("names", "")).split("/") if name]
        await Streams(dialect, tellers, socket, combined=False).run(names)

    async def combined(socket: WebSocket) -> None:
        names = [name for name in socket.query_params.get("streams", "").split("/") if name]
        await Streams(dialect, tellers, socket, combined=True).run(names)

    async def requests(socket: WebSocket) -> None:
        await Requests(dialect, rest, socket).run()

    return [
        Route("/api/v3/{path:path}", answer, methods=METHODS),
        *(Route(f"/{api}/v1/{{path:path}}", answer, methods=METHODS) for api in ("sapi", "fapi", "dapi", "eapi")),
        WebSocketRoute("/ws", streams),
        WebSocketRoute("/ws/{names:path}", streams),
        WebSocketRoute("/stream", combined),
        WebSocketRoute("/ws-api/v3", requests),
    ]
