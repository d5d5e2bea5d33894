"""The DHT nodes that were of use, kept for the next start."""

import json
from pathlib import Path

GOOD_NODES_CAP = 64


def load_good_nodes(file: Path) -> list[tuple[str, int]]:
    """Hosts and ports from the last run; none if there is no file, or one that is damaged or cannot be read."""
    try:
        nodes = [(str(host), int(port)) for host, port in json.loads(file.read_text(encoding="utf-8"))]
    except (ValueError, TypeError, OSError, RecursionError):
        return []  # A hint only; the next one that is written takes its place.
    return [(host, port) for host, port in nodes if 0 < port <= 65_535][:GOOD_NODES_CAP]


def save_good_nodes(file: Path, nodes: list[tuple[str, int]]) -> None:
    """Replace the file in one step; it stays as it is if there are no nodes.

    Raises:
        OSError: it cannot be written, which does no harm.
    """
    if nodes:
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(nodes), encoding="utf-8")
        temporary.replace(file)
