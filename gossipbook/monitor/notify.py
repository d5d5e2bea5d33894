"""Tells a service manager that the peer is up, is stopping, and lives: sd_notify's protocol, a datagram of text."""

import os
import socket
from contextlib import suppress
from typing import Final

import trio

WATCHDOG_SHARE: Final = 3
"""Signs of life in the time after which the manager would take the peer for dead."""


def notify(text: str) -> None:
    """Tell the manager something, such as ``READY=1``; nothing happens where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(address)
        out.sendall(text.encode())


def watchdog_s() -> float:
    """How often signs of life are wanted; 0 for not."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(usec) / 1e6 / WATCHDOG_SHARE


async def keep_notifying() -> None:
    """Give signs of life from the loop, until cancelled: a loop that hangs gives none."""
    every_s = watchdog_s()
    while every_s:
        notify("WATCHDOG=1")
        await trio.sleep(every_s)
