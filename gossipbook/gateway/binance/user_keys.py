"""Listen keys: names of user streams, good for an hour after they were last asked for."""

import secrets
import time
from typing import Final

from gossipbook.gateway.accounts import ApiKey, Scope
from gossipbook.gateway.binance.call import Call
from gossipbook.gateway.binance.errors import BAD_LISTEN_KEY, Refused
from gossipbook.gateway.binance.shapes import Told

LISTEN_KEYS_CAP: Final = 1_024
GOOD_S: Final = 3_600.0
BYTES: Final = 32


async def make(call: Call) -> Told:
    """A new one."""
    assert call.key is not None
    await call.desk(Scope.READ)
    name = secrets.token_hex(BYTES)
    call.dialect.listen_keys[name] = (call.key, time.monotonic() + GOOD_S)
    return {"listenKey": name}


async def keep(call: Call) -> Told:
    """Good for another hour."""
    name, key = call.text("listenKey"), _whose(call)
    call.dialect.listen_keys[name] = (key, time.monotonic() + GOOD_S)
    return {}


async def end(call: Call) -> Told:
    """Not good any more."""
    _whose(call)
    call.dialect.listen_keys.pop(call.text("listenKey"))
    return {}


def _whose(call: Call) -> ApiKey:
    found = call.dialect.listen_keys.get(call.text("listenKey"))
    if found is None or call.key is None or found[0].id != call.key.id or found[1] < time.monotonic():
        raise Refused(BAD_LISTEN_KEY, "This listenKey does not exist.")
    return found[0]
