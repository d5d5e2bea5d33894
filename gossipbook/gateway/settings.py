"""What a gateway is told when it starts, and how much of everything it allows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gossipbook.errors import ConfigError
from gossipbook.manifest import Manifest
from gossipbook.net.address import is_loopback, parse_host_port

LISTEN: Final = "127.0.0.1:7480"
FOLDER: Final = "gateway"
"""Of a gateway that a peer starts, in the peer's folder."""

BODY_CAP: Final = 160 * 1024
"""Bytes of a request's body; the largest is an op of 64 KiB that was signed elsewhere, in hex digits."""
BODY_S: Final = 10.0
"""How long a body may take to arrive."""
HEAD_CAP: Final = 32 * 1024
"""Bytes of a request's head."""
HEADERS_S: Final = 15.0
"""How long a connection may be open without the head of a request."""
SOCKET_MESSAGE_CAP: Final = 64 * 1024
CONNECTIONS_CAP: Final = 2_048
CONNECTIONS_OF_ADDRESS_CAP: Final = 512
"""Of one address; of the loopback address there may be as many as of all, since a proxy in front has that one."""
REQUESTS_PER_S: Final = 200.0
REQUESTS_BURST: Final = 400
"""Requests of an address without a key; those with one are counted by key."""
KEY_REQUESTS_PER_S: Final = 2_000.0
KEY_REQUESTS_BURST: Final = 4_000
SEND_BUFFER_BYTES: Final = 64 * 1024
"""What the system keeps for one connection that is not read, and twice that; by itself it would keep megabytes."""
OUTBOX_MESSAGES_CAP: Final = 256
OUTBOX_BYTES_CAP: Final = 256 * 1024
"""What waits for one subscriber; then it has lagged, and starts anew from snapshots."""
STALLED_S: Final = 30.0
"""How long a connection may leave what was sent where it is before it is cut off."""
SUBSCRIPTIONS_CAP: Final = 200
"""Channels of one socket."""
USER_STREAMS_CAP: Final = 16
"""Streams of accounts of one socket, in the dialect that names them by a key."""
SOCKET_ORDERS_CAP: Final = 256
"""Commands of one socket that wait for their answer."""
ID_CHARS_CAP: Final = 64
"""Characters of a request's id over a socket, which its answer repeats."""
ANSWER_BYTES_CAP: Final = 2**20
"""Bytes of answers that wait for one socket before no more of its requests are read."""
HEARTBEAT_S: Final = 5.0
MARKET_PROTECTION_BPS: Final = 500
"""How far beyond the best opposite price an order without a price of its own may trade, in hundredths of a percent."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """``folder`` holds the accounts. ``hosts``: further names by which browsers reach it; ``origins``: pages of other
    sites that may use it, as ``https://host``. ``certificate`` and ``key`` are PEM files, both or neither.
    ``client_key``: the key file of its links, by which peers' operators may know it; else one that nobody knows.
    """

    manifest: Manifest
    folder: Path
    peers: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    listen: str = LISTEN
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    client_key: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen at.

        Raises:
            ConfigError: it is none, or others can reach it and it has no certificate.
        """
        host, port = parse_host_port(self.listen)
        if (self.certificate is None) != (self.key is None):
            raise ConfigError("tls: a certificate and its key go together")
        if not is_loopback(host) and self.certificate is None:
            raise ConfigError(
                f"listen: {self.listen} can be reached from elsewhere, and API keys would travel in the clear; give a "
                "certificate, or listen at 127.0.0.1 behind a proxy that has one"
            )
        return host, port
