"""How one peer process is set up: its folder, where it listens, whom it asks first."""

from dataclasses import dataclass, field
from pathlib import Path

from gossipbook.errors import ConfigError
from gossipbook.net.address import Address, is_loopback, parse_address, parse_host_port
from gossipbook.peer.config import PeerConfig

ADVERTISED_CAP = 4
"""As many as a record of the DHT has room for, each as long as it may be."""


@dataclass(frozen=True, slots=True)
class NetSettings:
    """Settings of the shells around a peer core.

    ``listen`` is where links are accepted, ``advertise`` what others are told to dial (they differ behind a
    proxy or a translating router); so too ``dht_listen`` and ``dht_advertise`` (UDP). ``bootstrap`` are DHT nodes,
    ``peers`` websocket addresses that are dialled without asking the DHT.
    """

    folder: Path | None = None
    listen: str = "127.0.0.1:0"
    advertise: tuple[str, ...] = ()
    dht: bool = True
    dht_listen: str = "127.0.0.1:0"
    dht_advertise: str = ""
    bootstrap: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    tls: bool | None = None  # None: off on loopback, on elsewhere
    peer: PeerConfig = field(default_factory=PeerConfig)
    half_open_cap: int = 64
    half_open_per_address_cap: int = 16
    links_per_address_cap: int = 64
    links_cap: int = 512
    dial_parallel_cap: int = 8
    outbound_least: int = 4  # a follower keeps links to so many peers of its pairs, if there are

    def __post_init__(self) -> None:
        host, _ = parse_host_port(self.listen)
        if not is_loopback(host) and self.tls is False:
            raise ConfigError(f"listen {self.listen}: tls cannot be off beyond loopback")
        if host in ("0.0.0.0", "::") and not self.advertise:
            raise ConfigError(f"listen {self.listen}: say with advertise which address others are to dial")
        if len(self.advertise) > ADVERTISED_CAP:
            raise ConfigError(f"advertise: {len(self.advertise)} addresses; others are told at most {ADVERTISED_CAP}")
        for address in (*self.advertise, *self.peers):
            parse_address(address)
        for address in (self.dht_listen, *filter(None, [self.dht_advertise]), *self.bootstrap):
            parse_host_port(address)

    @property
    def use_tls(self) -> bool:
        host, _ = parse_host_port(self.listen)
        return not is_loopback(host) if self.tls is None else self.tls

    def advertised(self, host: str, port: int) -> tuple[Address, ...]:
        """What to tell others, given where the listener was really bound."""
        if self.advertise:
            return tuple(parse_address(address) for address in self.advertise)
        return (Address(host, port, self.use_tls),)
