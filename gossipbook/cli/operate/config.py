"""A peer's ``config.toml``: flags over environment over file over defaults; unknown keys are errors.

What only a running peer needs is imported where it is used: commands that talk to a peer read this file too.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossipbook.cli.operate.gateway_key import GATEWAY_FOLDER, gateway_client_key
from gossipbook.cli.output import read_manifest
from gossipbook.errors import ConfigError
from gossipbook.ids import PUBLIC_KEY_BYTES, PublicKey, read_public_key
from gossipbook.manifest import Manifest
from gossipbook.net.address import parse_host_port
from gossipbook.tables import unknown_key

if TYPE_CHECKING:
    from gossipbook.net.settings import NetSettings

ENVIRONMENT_PREFIX = "GOSSIPBOOK_"
AUTO = "auto"
MONITOR_ABOVE = 100
PORTS = 65_536
PRESETS = ("lan", "local", "wan")


@dataclass(frozen=True, slots=True)
class FileConfig:
    """The keys of ``config.toml``. Addresses are ``host:port``; in the environment, lists are comma-separated.

    ``clients`` are public keys in hex digits, of clients that may bring any number of new traders. ``gateway``: where a
    gateway serves that runs beside the peer; empty for none. ``monitor``: where health checks and metrics are, on
    loopback; ``auto`` is 100 above the port of ``listen``, empty is nowhere.
    """

    network: str = "network.toml"
    preset: str = "lan"
    listen: str = "127.0.0.1:7401"
    advertise: tuple[str, ...] = ()
    dht: bool = True
    dht_listen: str = "127.0.0.1:7401"
    dht_advertise: str = ""
    bootstrap: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()
    gateway: str = ""
    monitor: str = AUTO

    def settings(self, folder: Path) -> "NetSettings":
        """The settings that the shells take."""
        from gossipbook.net.settings import NetSettings
        from gossipbook.peer.config import PeerConfig

        if self.preset not in PRESETS:
            raise ConfigError(f"preset: expected one of {list(PRESETS)}, not {self.preset!r}")
        preset: PeerConfig = getattr(PeerConfig, self.preset)()
        clients = set(map(_client_key, self.clients))
        if self.gateway:
            clients.add(gateway_client_key(folder / GATEWAY_FOLDER))
        peer = replace(preset, pairs=self.pairs or None, clients=frozenset(clients))
        return NetSettings(
            folder=folder,
            listen=self.listen,
            advertise=self.advertise,
            dht=self.dht,
            dht_listen=self.dht_listen,
            dht_advertise=self.dht_advertise,
            bootstrap=self.bootstrap,
            peers=self.peers,
            peer=peer,
        )

    @property
    def monitor_address(self) -> str:
        """Where health checks and metrics are served; empty for nowhere."""
        if self.monitor != AUTO:
            return self.monitor
        port = parse_host_port(self.listen)[1]
        above = port + MONITOR_ABOVE
        return f"127.0.0.1:{above if port and above < PORTS else 0}"

    def manifest(self, folder: Path) -> Manifest:
        """The manifest that ``network`` names, relative to the folder."""
        path = folder / self.network
        manifest = read_manifest(path)
        unknown = [pair for pair in self.pairs if pair not in manifest.symbols()]
        if unknown:
            raise ConfigError(f"pairs: {unknown} are not in network {manifest.name!r}, which has {manifest.symbols()}")
        return manifest


def _client_key(text: str) -> PublicKey:
    key = read_public_key(text)
    if key is None:
        raise ConfigError(f"clients: expected public keys of {2 * PUBLIC_KEY_BYTES} hex digits, not {text!r}")
    return key


def load_config(folder: Path, flags: Mapping[str, Any]) -> FileConfig:
    """The configuration of a folder. ``flags`` with the value None or () were not given.

    Raises:
        ConfigError: naming the key.
    """
    path = folder / "config.toml"
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not TOML: {error}") from None
    known = {field.name: field for field in fields(FileConfig)}
    for key in values:
        if key not in known:
            raise ConfigError(unknown_key(key, list(known), str(path)))
    for name in known:
        if (text := os.environ.get(ENVIRONMENT_PREFIX + name.upper())) is not None:
            values[name] = text
        if flags.get(name) not in (None, ()):
            values[name] = flags[name]
    return FileConfig(**{name: _convert(name, value, known[name].type) for name, value in values.items()})


def write_config(folder: Path, values: Mapping[str, Any]) -> None:
    """Write a folder's ``config.toml``."""
    import tomli_w

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "config.toml").write_text(tomli_w.dumps(dict(values)), encoding="utf-8")


def _convert(name: str, value: Any, kind: Any) -> Any:
    if kind is bool:
        if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", "yes", "no"):
            return value.lower() in ("true", "1", "yes")
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{name}: expected true or false, not {value!r}")
    if kind is str:
        if isinstance(value, str):
            return value
        raise ConfigError(f"{name}: expected text, not {value!r}")
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ConfigError(f"{name}: expected a list of text, not {value!r}")
