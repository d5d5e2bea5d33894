import os
import shutil
import subprocess

import pytest


@pytest.fixture(scope="session")
def strace() -> str:
    """The path of an strace that may trace."""
    path = shutil.which("strace")
    if path is None:
        reason = "strace is not installed"
    else:
        probe = subprocess.run([path, "-f", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
        if probe.returncode == 0:
            return path
        reason = f"strace may not trace here: {probe.stderr.strip()[:200]}"
    if os.environ.get("GOSSIPBOOK_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
