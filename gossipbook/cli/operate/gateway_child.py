"""The gateway that a peer runs beside itself, as its ``config.toml`` says: a process, started anew if it ends.

It is a client of the network like any other. Its own key is among the peer's known clients, so that the peer answers
it more often than a stranger.
"""

import json
import logging
import subprocess
from pathlib import Path
from typing import Final

import trio

from gossipbook.own_command import own_command

AGAIN_S: Final = 1.0
AGAIN_CAP_S: Final = 30.0
STEADY_S: Final = 60.0
"""After so long a gateway that ends is started anew at once."""
STOP_S: Final = 8.0

log = logging.getLogger("gossipbook.gateway")


async def keep_gateway(home: Path, listen: str) -> None:
    """Run a peer's gateway until cancelled."""
    pause_s = AGAIN_S
    while True:
        began_s = trio.current_time()
        code = await _run(home, listen)
        if trio.current_time() - began_s >= STEADY_S:
            pause_s = AGAIN_S
        log.error("the gateway ended with code %d; started again in %.0f s", code, pause_s)
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, AGAIN_CAP_S)


async def _run(home: Path, listen: str) -> int:
    command = own_command("gateway", "run", "--home", str(home), "--listen", listen)
    # It ends with the peer, however that ends: its standard input then does.
    process = await trio.lowlevel.open_process(
        [*command, "--until-input-ends", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with process.stdout as lines:
            async for part in lines:
                _tell(bytes(part))
        return await process.wait()
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                process.terminate()
                with trio.move_on_after(STOP_S):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


def _tell(part: bytes) -> None:
    for line in part.decode("utf-8", "replace").splitlines():
        try:
            log.info("gateway at %s", json.loads(line)["url"])
        except (ValueError, KeyError, TypeError):
            log.info("gateway: %s", line)
