"""The key of a gateway's links, by which peers may know it."""

from pathlib import Path
from typing import Final

from gossipbook.ids import PublicKey
from gossipbook.storage.keys import create_key, load_key

GATEWAY_FOLDER: Final = "gateway"
"""Of a gateway's own files, in the folder of the peer that runs it."""
CLIENT_KEY: Final = "client.key"


def gateway_client_key(folder: Path) -> PublicKey:
    """The public key of the links of the gateway in a folder; made if there is none.

    Raises:
        KeyFileError: it cannot be used.
    """
    path = client_key_file(folder)
    return (load_key(path) if path.exists() else create_key(path, for_author=False)).public_key


def client_key_file(folder: Path) -> Path:
    """Where the key of a gateway's links is."""
    return folder / "keys" / CLIENT_KEY
