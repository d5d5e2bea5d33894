"""``gossipbook network init`` and ``gossipbook keys``: who takes part, before anybody starts."""

from dataclasses import replace
from pathlib import Path

import click
import tomli_w

from gossipbook.cli.lazy import CommandGroup
from gossipbook.cli.operate.config import write_config
from gossipbook.cli.options import public_key
from gossipbook.cli.output import console, fail, json_option, print_json, print_table, read_manifest, reports_errors
from gossipbook.consensus.committee import Committee
from gossipbook.errors import ManifestError
from gossipbook.ids import PublicKey
from gossipbook.limits import Limits, Timing
from gossipbook.manifest import RULES_VERSION, Manifest, Matcher, Pair
from gossipbook.storage.keys import create_key, load_key

DEFAULT_PAIRS = ("BTC-USD", "ETH-USD", "SOL-USD")
FIRST_PORT = 7401
HEADER = "# The manifest of a gossipbook network. Everybody in the network uses the very same file.\n"


@click.group(cls=CommandGroup)
def network() -> None:
    """Make and show network manifests."""


@network.command("init")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", default="testnet", show_default=True, help="The network's name.")
@click.option("--pair", "pairs", multiple=True, help="A pair's symbol, or SYMBOL:TICK:LOT. Repeat for more.")
@click.option("--matcher", "matchers", multiple=True, help="NAME:PUBLICKEY[:OPERATOR] of a matcher. Repeat.")
@click.option(
    "--peers",
    type=click.IntRange(1, 1024),
    default=4,
    show_default=True,
    help="Without --matcher: make so many, with folders.",
)
@click.option("--committee-size", type=int, default=None, help="Seats a pair.  [default: all matchers, at most 7]")
@click.option(
    "--fault-model", type=click.Choice(["byzantine", "crash"]), default=None, help="What a seat may do wrong."
)
@click.option("--warden", "wardens", type=public_key, metavar="KEY", multiple=True,
              help="Public key, or key file, of an author who may halt, reopen or auction a pair. Repeat.")  # fmt: skip
@click.option("--max-commands-per-s", type=click.IntRange(0, 10**9), default=0,
              help="Places and amends of an author in a second of block time.  [default: no limit]")  # fmt: skip
@click.option("--price-band-bps", type=click.IntRange(0, 10**6), default=0, metavar="BPS",
              help="How far beyond the last trade a bid may rise or an offer fall, in hundredths of a percent; of all "
                   "pairs.  [default: no band]")  # fmt: skip
@click.option(
    "--first-port",
    type=click.IntRange(1, 64_000),
    default=FIRST_PORT,
    show_default=True,
    help="Port of the first peer made.",
)
@json_option
@reports_errors
def init(
    folder: Path,
    name: str,
    pairs: tuple[str, ...],
    matchers: tuple[str, ...],
    peers: int,
    committee_size: int | None,
    fault_model: str | None,
    wardens: tuple[PublicKey, ...],
    max_commands_per_s: int,
    price_band_bps: int,
    first_port: int,
    as_json: bool,
) -> None:
    """Make a network manifest, and peers for it.

    Writes FOLDER/network.toml and, without --matcher, a folder with a key and a configuration for each peer.
    """
    path = folder / "network.toml"
    if path.exists():
        fail(f"{path} exists; a network's manifest is never overwritten. Choose another folder.")
    listed = [replace(_parse_pair(text), price_band_bps=price_band_bps) for text in pairs or DEFAULT_PAIRS]
    limits = Limits.of(RULES_VERSION, max_commands_per_author_per_s=max_commands_per_s)
    size = committee_size or min(len(matchers) or peers, 7)
    if matchers:
        seated = [_parse_matcher(text) for text in matchers]
    else:
        trial = [Matcher(f"peer{i}", i.to_bytes(32, "big"), f"peer{i}") for i in range(1, peers + 1)]
        make_manifest(
            name, listed, trial, size, fault_model, limits=limits, wardens=wardens
        )  # What is wrong is said before any key is written.
        names = [f"peer{i}" for i in range(1, peers + 1)]
        made = [(peer, create_key(folder / peer / "keys" / "peer.key", for_author=False)) for peer in names]
        seated = [Matcher(peer, key.public_key, peer) for peer, key in made]
    manifest = make_manifest(name, listed, seated, size, fault_model, limits=limits, wardens=wardens)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + tomli_w.dumps(manifest.to_dict()), encoding="utf-8")
    folders = [] if matchers else _write_folders(folder, len(seated), first_port)
    _report(manifest, path, folders, as_json)


@network.command("show")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@reports_errors
def show(file: Path, as_json: bool) -> None:
    """Check a manifest and show what is in it.

    Shows its chain id, its pairs and their committees.
    """
    _report(read_manifest(file), file, [], as_json)


@click.group(cls=CommandGroup)
def keys() -> None:
    """Make and show key files."""


@keys.command("new")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@reports_errors
def new(file: Path, as_json: bool) -> None:
    """Make a key file for a peer or an author.

    A file that is there is never overwritten.
    """
    identity = create_key(file)
    if as_json:
        print_json({"file": str(file), "public_key": identity.public_key.hex(), "peer_id": identity.peer_id.hex()})
    else:
        console().print(f"{file}: public key {identity.public_key.hex()}", markup=False)


@keys.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@reports_errors
def show_key(file: Path, as_json: bool) -> None:
    """Show the public key and peer id of a key file.

    Its secret is never shown.
    """
    identity = load_key(file)
    if as_json:
        print_json({"file": str(file), "public_key": identity.public_key.hex(), "peer_id": identity.peer_id.hex()})
    else:
        console().print(f"public key {identity.public_key.hex()}\npeer id    {identity.peer_id.hex()}", markup=False)


def make_manifest(
    name: str,
    pairs: list[Pair],
    matchers: list[Matcher],
    committee_size: int,
    fault_model: str | None,
    timing: Timing | None = None,
    limits: Limits | None = None,
    wardens: tuple[PublicKey, ...] = (),
) -> Manifest:
    """A manifest with the defaults for what is not said."""
    return Manifest(
        name=name,
        pairs=tuple(pairs),
        matchers=tuple(matchers),
        committee_size=committee_size,
        fault_model=fault_model or ("byzantine" if committee_size >= 4 else "crash"),
        timing=timing or Timing(),
        limits=limits or Limits(),
        wardens=tuple(dict.fromkeys(wardens)),
    )


def _parse_pair(text: str) -> Pair:
    symbol, *sizes = text.split(":")
    if len(sizes) not in (0, 2):
        raise ManifestError(f"--pair {text!r}: expected SYMBOL or SYMBOL:TICK:LOT")
    return Pair(symbol, sizes[0], sizes[1]) if sizes else Pair(symbol)


def _parse_matcher(text: str) -> Matcher:
    parts = text.split(":")
    try:
        key = bytes.fromhex(parts[1])
    except (IndexError, ValueError):
        key = b""
    if len(key) != 32 or len(parts) > 3:
        raise ManifestError(f"--matcher {text!r}: expected NAME:PUBLICKEY or NAME:PUBLICKEY:OPERATOR")
    return Matcher(parts[0], key, parts[2] if len(parts) == 3 else parts[0])


def _write_folders(folder: Path, count: int, first_port: int) -> list[Path]:
    """Config for each peer on this machine: the first one is the others' bootstrap node."""
    folders = []
    for i in range(1, count + 1):
        home = folder / f"peer{i}"
        address = f"127.0.0.1:{first_port + i - 1}"
        values: dict[str, object] = {"network": "../network.toml", "preset": "local"}
        values |= {"listen": address, "dht_listen": address}
        if i > 1:
            values["bootstrap"] = [f"127.0.0.1:{first_port}"]
        write_config(home, values)
        folders.append(home)
    return folders


def _report(manifest: Manifest, path: Path, folders: list[Path], as_json: bool) -> None:
    quorum = manifest.quorum
    committees = {s: [m.name for m in Committee.of(manifest, manifest.chain_id, s).seats] for s in manifest.symbols()}
    warning = "" if quorum.n > 2 else f"a committee of {quorum.n} tolerates no crash: when one stops, all stop"
    if as_json:
        print_json(
            {
                "manifest": str(path),
                "name": manifest.name,
                "chain_id": manifest.chain_id.hex(),
                "rules_version": manifest.rules_version,
                "wardens": [key.hex() for key in manifest.wardens],
                "max_commands_per_s": manifest.limits.max_commands_per_author_per_s,
                "price_band_bps": {pair.symbol: pair.price_band_bps for pair in manifest.pairs},
                "fault_model": manifest.fault_model,
                "n": quorum.n,
                "f": quorum.f,
                "q": quorum.q,
                "committees": committees,
                "folders": [str(home) for home in folders],
                "warning": warning,
            }
        )
        return
    console().print(f"network {manifest.name}, chain {manifest.chain_id.hex()}, in {path}", markup=False)
    console().print(
        f"{manifest.fault_model}: {quorum.n} seats a pair, {quorum.q} make a quorum, {quorum.f} may fail", markup=False
    )
    console().print(_rules(manifest), markup=False)
    if warning:
        console().print(f"note: {warning}", markup=False)
    rows = [(symbol, seats[0], ", ".join(seats)) for symbol, seats in committees.items()]
    print_table("pairs", ["pair", "first leader", "committee"], rows)
    for home in folders:
        console().print(f"start with: gossipbook start {home}", markup=False)


def _rules(manifest: Manifest) -> str:
    rate = manifest.limits.max_commands_per_author_per_s
    bands = sorted({pair.price_band_bps for pair in manifest.pairs if pair.price_band_bps})
    parts = [
        f"rules of version {manifest.rules_version}",
        f"{len(manifest.wardens)} wardens" if len(manifest.wardens) != 1 else "1 warden",
        f"{rate:,} commands a second for each author" if rate else "no rate limit",
        f"price band {', '.join(f'{band / 100:g} %' for band in bands)}" if bands else "no price band",
    ]
    return ", ".join(parts)
