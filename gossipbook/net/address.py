"""Addresses of peers: ``ws://host:port`` on loopback, ``wss://host:port`` elsewhere."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gossipbook.errors import ConfigError

HOST_CHARS_CAP = 114
"""So that an address fits the 128 characters that a record of the DHT has for it."""

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer can be dialled, and whether over TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.tls else 'ws'}://{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse ``ws://host:port`` or ``wss://host:port``; a bare ``host:port`` means TLS unless the host is loopback.

    Raises:
        ConfigError: saying what is wrong with it.
    """
    tls: bool | None = None
    for scheme, secure in (("ws://", False), ("wss://", True)):
        if text.startswith(scheme):
            tls = secure
    try:
        parts = urlsplit(text if tls is not None else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"address {text!r}: {error}") from None
    if not host or not port or parts.path.strip("/") or parts.query or parts.username is not None:
        raise ConfigError(f"address {text!r}: expected host:port, ws://host:port or wss://host:port")
    host = plain_host(text, host)
    if tls is None:
        tls = not is_loopback(host)
    if not tls and not is_loopback(host):
        raise ConfigError(f"address {text!r}: plain ws:// is for loopback only; use wss://")
    return Address(host, port, tls)


def plain_host(text: str, host: str) -> str:
    """A host as records and certificates name it: in ASCII, without a dot at its end.

    Raises:
        ConfigError: it is no name of a host.
    """
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError as error:
            raise ConfigError(f"address {text!r}: {error}") from None
    try:
        plain = host.removesuffix(".").encode("idna").decode("ascii")
    except UnicodeError:
        plain = ""
    if not _HOST.fullmatch(plain) or len(plain) > HOST_CHARS_CAP:
        raise ConfigError(
            f"address {text!r}: {host!r} is no host that others can be told: letters, digits, dots and hyphens, "
            f"at most {HOST_CHARS_CAP} of them"
        )
    return plain


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_host_port(text: str) -> tuple[str, int]:
    """``host:port`` for UDP and listening sockets; port 0 lets the system choose."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not _PORT.fullmatch(port) or int(port) > 65_535:
        raise ConfigError(f"{text!r}: expected host:port")
    return host, int(port)
