"""The page at the gateway's root: files of this package, served as they are. Nothing is built, and nothing fetched.

``static/vendor`` holds two libraries unchanged, with their licences and checksums. The page uses the native stream, as
anybody may; an API key that somebody gives it stays in its memory.
"""

import hashlib
import mimetypes
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {"content-security-policy": POLICY, "cache-control": "no-cache", "x-frame-options": "DENY"}


def routes() -> list[BaseRoute]:
    """The page at ``/``, and each of its files under ``/page``."""
    static = files(__package__) / "static"
    found = dict(_walk(static, ""))
    served: list[BaseRoute] = [_route(f"/page/{name}", name, body) for name, body in found.items()]
    return [_route("/", "index.html", found["index.html"]), *served]


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, bytes]]:
    for each in folder.iterdir():
        name = f"{above}{each.name}"
        if each.is_dir():
            yield from _walk(each, f"{name}/")
        else:
            yield name, each.read_bytes()


def _route(path: str, name: str, body: bytes) -> Route:
    kind = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0] or "text/plain"
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=HEADERS | {"etag": tag})
        return Response(body, media_type=kind, headers=HEADERS | {"etag": tag})

    return Route(path, serve)
