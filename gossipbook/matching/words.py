"""Commands in a trader's words."""

from gossipbook.matching.commands import (
    AdmitToGroup,
    Amend,
    AnyPlace,
    Cancel,
    CancelAll,
    Command,
    JoinGroup,
    Lease,
    OrderType,
    PairState,
    Place,
    PlaceNamed,
    PlaceSpecial,
    SetState,
    Side,
    TimeInForce,
)


def say(command: Command) -> str:
    """One command in a line: ``#7 sell 3 at 101 limit GTC``."""
    match command:
        case Place():
            return _say_place(command)
        case PlaceSpecial() | PlaceNamed():
            extras = [
                f"{word} {value}"
                for word, value in (
                    ("showing", command.display_lots),
                    ("at least", command.min_lots),
                    ("stop", command.stop_ticks),
                    ("called", getattr(command, "text_id", "")),
                )
                if value
            ]
            return ", ".join([_say_place(command), *extras])
        case Cancel(client_id):
            return f"cancel #{client_id}"
        case Amend():
            qty, price = command.qty_lots or "the same", command.price_ticks or "the same"
            return f"amend #{command.client_id} to {qty} at {price}"
        case CancelAll(side):
            return f"cancel all {Side(side).name.lower()}s" if side else "cancel all"
        case Lease(for_ms):
            return f"lease for {for_ms} ms" if for_ms else "end the lease"
        case SetState(state):
            return f"set the pair {PairState(state).word}"
        case JoinGroup(owner):
            return f"join the group of {owner.hex()[:10]}" if owner else "leave the group"
        case AdmitToGroup(member, admit):
            return f"{'admit' if admit else 'expel'} {member.hex()[:10]}"


def _say_place(command: AnyPlace) -> str:
    side, kind = Side(command.side).name.lower(), OrderType(command.type).name.lower().replace("_", "-")
    tif = TimeInForce(command.tif).name
    return f"#{command.client_id} {side} {command.qty_lots} at {command.price_ticks} {kind} {tif}"
