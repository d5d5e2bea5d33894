"""Error codes of the dialect, and which of them our own refusals are. Source: Binance's public list of error codes."""

from typing import Final

from gossipbook.gateway.problems import Problem


class Refused(Exception):
    """An answer of the dialect's error form."""

    def __init__(self, code: int, text: str, status: int = 400, data: object = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
        self.data = data

    def told(self) -> dict[str, object]:
        """As it is sent."""
        told: dict[str, object] = {"code": self.code, "msg": self.text}
        return told if self.data is None else told | {"data": self.data}


UNKNOWN, DISCONNECTED, UNAUTHORIZED, TOO_MANY_REQUESTS, TIMEOUT = -1000, -1001, -1002, -1003, -1007
FILTER, UNSUPPORTED, TIMESTAMP, SIGNATURE = -1013, -1020, -1021, -1022
TOO_MANY_PARAMETERS, MISSING, UNREAD, NOT_REQUIRED, BAD_TIF = -1101, -1102, -1104, -1106, -1115
BAD_TYPE, BAD_SIDE, BAD_INTERVAL, BAD_SYMBOL, BAD_LISTEN_KEY, BAD_COMBINATION = -1116, -1117, -1120, -1121, -1125, -1128
ORDER_REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER, BAD_KEY_FORMAT, REJECTED_KEY = -2010, -2011, -2013, -2014, -2015
REPLACE_PARTLY_FAILED, REPLACE_FAILED = -2021, -2022

_OF_PROBLEMS: Final = {
    "too-many-requests": TOO_MANY_REQUESTS,
    "too-many-guesses": TOO_MANY_REQUESTS,
    "wrong-key": REJECTED_KEY,
    "no-key": BAD_KEY_FORMAT,
    "wrong-signature": SIGNATURE,
    "unknown-pair": BAD_SYMBOL,
    "no-network": DISCONNECTED,
    "no-answer": DISCONNECTED,
    "no-book": DISCONNECTED,
    "peers-behind": DISCONNECTED,
    "text-id-used": ORDER_REJECTED,
    "bad-order": BAD_COMBINATION,
    "no-liquidity": ORDER_REJECTED,
    "later-rules": UNSUPPORTED,
}
_TEXTS: Final = {
    SIGNATURE: "Signature for this request is not valid.",
    REJECTED_KEY: "Invalid API-key, IP, or permissions for action.",
    BAD_KEY_FORMAT: "API-key format invalid.",
    BAD_SYMBOL: "Invalid symbol.",
}
_REJECTIONS: Final = {
    "post-only-would-cross": (ORDER_REJECTED, "Order would immediately match and take."),
    "price-out-of-range": (FILTER, "Filter failure: PRICE_FILTER"),
    "quantity-out-of-range": (FILTER, "Filter failure: LOT_SIZE"),
    "price-band": (FILTER, "Filter failure: PERCENT_PRICE"),
    "too-many-open-orders": (FILTER, "Filter failure: MAX_NUM_ORDERS"),
    "stop-would-trigger": (ORDER_REJECTED, "Stop price would trigger immediately."),
    "pair-halted": (ORDER_REJECTED, "Market is closed."),
    "rate-limited": (-1015, "Too many new orders."),
}


def refused_by(problem: Problem) -> Refused:
    """What a problem is in the dialect."""
    if problem.code == "bad-number":
        name = {"price": "PRICE_FILTER", "qty": "LOT_SIZE"}.get(problem.parameter)
        return Refused(FILTER, f"Filter failure: {name}" if name else problem.detail)
    if problem.code.startswith("needs-"):
        return Refused(UNAUTHORIZED, "You are not authorized to execute this request.", 403)
    if problem.code == "text-id-used":
        return Refused(ORDER_REJECTED, "Duplicate order sent.")
    code = _OF_PROBLEMS.get(problem.code, ORDER_REJECTED if problem.status == 403 else UNKNOWN)
    return Refused(code, _TEXTS.get(code, problem.detail), problem.status)


def rejected_by_book(reason: str) -> Refused:
    """An order that the book refused."""
    code, text = _REJECTIONS.get(reason, (ORDER_REJECTED, f"The book refused the order: {reason}."))
    return Refused(code, text)


def missing(name: str) -> Refused:
    """A parameter that must be there."""
    return Refused(MISSING, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def unsupported(what: str) -> Refused:
    """What this network cannot mean."""
    return Refused(UNSUPPORTED, f"This operation is not supported: {what}")
