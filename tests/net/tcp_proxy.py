"""TCP proxies on loopback: a plain one that can be cut, and one that ends TLS with a certificate of its own."""

import trio

from gossipbook.net.tls import make_client_context, make_server_context

GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)


class TcpProxy:
    """Forwards connections to ``inner``, a ``(host, port)``.

    While ``up`` is False, what was connected stays connected but nothing passes any more, as when a
    router loses its state, and what connects anew is closed.
    """

    def __init__(self, port, *, tls):
        self.inner = None
        self.up = True
        self.passed = 0
        self.port = port
        self._server = make_server_context()[0] if tls else None

    @classmethod
    async def open(cls, nursery, *, tls=False):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy = cls(listeners[0].socket.getsockname()[1], tls=tls)
        nursery.start_soon(trio.serve_listeners, proxy._serve, listeners)
        return proxy

    @property
    def address(self):
        return f"{'wss' if self._server else 'ws'}://127.0.0.1:{self.port}"

    async def _serve(self, outer):
        if not self.up or self.inner is None:
            await trio.aclose_forcefully(outer)
            return
        self.passed += 1
        try:
            inner = await trio.open_tcp_stream(*self.inner)
            if self._server:
                outer = trio.SSLStream(outer, self._server, server_side=True)
                inner = trio.SSLStream(inner, make_client_context(), server_hostname="localhost")
            async with outer, inner, trio.open_nursery() as nursery:
                nursery.start_soon(self._pass, outer, inner, nursery.cancel_scope)
                nursery.start_soon(self._pass, inner, outer, nursery.cancel_scope)
        except* GONE:
            pass

    async def _pass(self, source, sink, scope):
        try:
            while raw := await source.receive_some(65_536):
                if self.up:
                    await sink.send_all(raw)
        except GONE:
            pass
        scope.cancel()
