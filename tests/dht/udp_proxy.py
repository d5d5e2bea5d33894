"""A UDP proxy on loopback: one outer address, and an inner socket for each sender that it forwards for."""

import trio


class UdpProxy:
    """Forwards datagrams to ``inner`` and the answers back, while ``up``. Opened with :meth:`open` in a nursery."""

    def __init__(self, outer, inner, nursery):
        self.inner = inner
        self.up = True
        self.requests = 0  # forwarded inwards
        self._outer, self._nursery = outer, nursery
        self.address = outer.getsockname()
        self._sockets = {}

    @classmethod
    async def open(cls, nursery, inner=None):
        outer = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await outer.bind(("127.0.0.1", 0))
        proxy = cls(outer, inner, nursery)
        nursery.start_soon(proxy._inwards)
        return proxy

    async def _inwards(self):
        with self._outer:
            while True:
                raw, sender = await self._outer.recvfrom(65_536)
                if not self.up or self.inner is None:
                    continue
                if sender not in self._sockets:
                    self._sockets[sender] = sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
                    await sock.bind(("127.0.0.1", 0))
                    self._nursery.start_soon(self._outwards, sock, sender)
                self.requests += raw[1:2] == b"\0"  # The datagram's first field.
                await self._sockets[sender].sendto(raw, self.inner)

    async def _outwards(self, sock, sender):
        with sock:
            while True:
                raw, source = await sock.recvfrom(65_536)
                if self.up and source == self.inner:
                    await self._outer.sendto(raw, sender)
