"""Packages of the npm registry that tests use, at the versions that ``package.json`` here pins."""

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import need

HERE = Path(__file__).parent
INSTALLED = Path(__file__).parents[2] / "build" / "node"
WITHIN_S = 180


def node_module(name: str) -> Path:
    """The folder of a package, which is installed if it is not there; skips, with the reason, where that cannot be."""
    need("node", "npm")
    folder = INSTALLED / "node_modules" / name
    if not folder.exists():
        INSTALLED.mkdir(parents=True, exist_ok=True)
        (INSTALLED / "package.json").write_text((HERE / "package.json").read_text())
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False, cwd=INSTALLED)
        if done.returncode:
            reason = f"npm cannot install {name}: {done.stderr.strip()[-200:]}"
            if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
    return folder
