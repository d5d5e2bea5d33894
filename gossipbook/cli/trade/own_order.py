"""An order that the wallet beside a key signed, and that a peer does not know: what can be said of it all the same."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gossipbook.cli.connect import Target, ask_once
from gossipbook.crdt.op import Op
from gossipbook.ids import ChainId
from gossipbook.manifest import Pair
from gossipbook.matching.commands import AnyPlace, Side
from gossipbook.storage.keys import OPS_SUFFIX, load_key
from gossipbook.trade.account_calls import found_client_id
from gossipbook.trade.tickets import BadOrder, check_text_id
from gossipbook.trade.units import format_price, format_qty
from gossipbook.trade.wallet import Wallet


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """An order as it was signed. ``certified``: the wallet noted that its op is in a finalized block."""

    op: Op
    place: AnyPlace
    certified: bool

    def words(self, spec: Pair, peer: str) -> str:
        """What to tell a person."""
        side, place = Side(self.place.side).name.lower(), self.place
        qty, price = format_qty(spec, place.qty_lots), format_price(spec, place.price_ticks)
        if self.certified:
            state = f"certified, as the wallet noted; {peer} does not list it any more, or is still catching up"
            hint = f"ask with: gossipbook explain {spec.symbol} {place.client_id}"
        else:
            state = f"signed, and not certified yet as far as {peer} knows"
            hint = "it is sent again by the next command that signs with this key; do not place it again"
        return (
            f"order   {self.op.author.hex()}:{place.client_id}\n"
            f"        {side} {qty} {spec.symbol} at {price}\n"
            f"state   {state}\n        {hint}"
        )

    def row(self, spec: Pair) -> dict[str, Any]:
        """The same for programs: ``known`` is false, because the peer that was asked has not heard of the order."""
        place = self.place
        return {
            "pair": spec.symbol,
            "order": f"{self.op.author.hex()}:{place.client_id}",
            "status": "certified" if self.certified else "signed",
            "known": False,
            "op_id": self.op.id.hex(),
            "seq": self.op.seq,
            "side": Side(place.side).name.lower(),
            "price_ticks": place.price_ticks,
            "qty_lots": place.qty_lots,
            "price": format_price(spec, place.price_ticks),
            "qty": format_qty(spec, place.qty_lots),
        }


def named_client_id(target: Target, whose: Path | str, pair: str, text_id: str) -> int:
    """The client order id of the order that has a text id, of a key file's wallet or as a peer knows an author's.

    Raises:
        BadOrder: there is none. KeyFileError: the key or its wallet cannot be read. NoAnswer: nobody answered.
    """
    check_text_id(text_id)
    author = whose if isinstance(whose, str) else load_key(whose).public_key.hex()
    if isinstance(whose, Path) and whose.with_name(whose.name + OPS_SUFFIX).exists():
        with closing(Wallet.open(whose, target.manifest.chain_id)) as wallet:
            named = wallet.find_text(pair, text_id)
        if named is not None:
            return named.place.client_id
    client_id = found_client_id(ask_once(target, "find", pair, author, text_id))
    if not client_id:
        raise BadOrder(f"no order of {author[:10]}… in {pair} has the text id {text_id!r}")
    return client_id


def signed_order(key: Path, chain_id: ChainId, pair: str, client_id: int) -> SignedOrder | None:
    """Return the order that a key's wallet signed under a client order id, or None if it did not.

    Raises:
        KeyFileError: the key or its wallet cannot be read.
    """
    if not key.with_name(key.name + OPS_SUFFIX).exists():
        return None  # Opening it would make it, and a wallet that was lost must stay known as lost.
    with closing(Wallet.open(key, chain_id)) as wallet:
        op = wallet.find(pair, client_id)
        if op is None:
            return None
        for command in op.commands:
            if isinstance(command, AnyPlace) and command.client_id == client_id:
                waiting = any(each.id == op.id for each in wallet.uncertified(pair))
                return SignedOrder(op, command, certified=not waiting)
    return None
