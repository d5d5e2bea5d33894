"""What went wrong with a request: a status, a fixed word, and a sentence. The native API tells it by RFC 9457."""

from gossipbook.errors import ConfigError, GossipbookError, LinkClosed, NoAnswer, SubmitRefused, WalletError
from gossipbook.gateway.access import Denied
from gossipbook.trade.author_events import Hold
from gossipbook.trade.numbers import BadNumber
from gossipbook.trade.outcome import NotSigned
from gossipbook.trade.peer_link import QueryFailed
from gossipbook.trade.text_ids import TextIdUsed
from gossipbook.trade.tickets import BadOrder, LaterRules

AGAIN_S = 1
"""After how long what cannot be done now may be asked again."""


class Problem(Exception):
    """A request that is not done. ``code`` is a fixed word; ``again_s``: when it may be made again, if it may."""

    def __init__(self, status: int, code: str, detail: str, *, parameter: str = "", again_s: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.parameter = parameter
        self.again_s = again_s


_LASTING = (Hold.NETWORK_BEHIND, Hold.KEY_USED_ELSEWHERE, Hold.KEY_FROZEN)


def problem_of(error: Exception) -> Problem:
    """What an error of the library means to who made the request."""
    match error:
        case Problem():
            return error
        case Denied():
            return _denied(error.reason)
        case BadNumber():
            return Problem(400, "bad-number", str(error), parameter=error.parameter)
        case TextIdUsed():
            return Problem(409, "text-id-used", str(error))
        case BadOrder():
            used = "it is another order" in str(error)
            return Problem(409 if used else 400, "text-id-used" if used else "bad-order", str(error))
        case LaterRules():
            return Problem(400, "later-rules", str(error))
        case NotSigned():
            lasting = error.reason in {hold.value for hold in _LASTING} or error.reason == "author-not-admitted"
            return Problem(403 if lasting else 503, error.reason, str(error), again_s=0 if lasting else AGAIN_S)
        case SubmitRefused():
            return Problem(400, error.reason, str(error))
        case QueryFailed():
            return Problem(400, "bad-question", str(error))
        case NoAnswer() | LinkClosed():
            return Problem(503, "no-answer", str(error), again_s=AGAIN_S)
        case WalletError():
            return Problem(503, "wallet", str(error), again_s=AGAIN_S)
        case ConfigError():
            return Problem(400, "bad-request", str(error))
        case GossipbookError():
            return Problem(502, "bad-answer", str(error))
        case _:
            raise error


_DENIALS = {
    "too-many-guesses": (429, "too many wrong keys, secrets or signatures from this address; wait a minute"),
    "too-many-requests": (429, "too many requests; slow down"),
    "wrong-key": (401, "no such API key, or not its secret"),
    "wrong-signature": (401, "the signature is not that of this request by this API key"),
    "no-key": (401, "an API key is needed, as Authorization: Bearer <id>.<secret>"),
}


def _denied(reason: str) -> Problem:
    status, detail = _DENIALS.get(reason, (403, f"the API key {reason.replace('-', ' ')} for that"))
    return Problem(status, reason, detail, again_s=AGAIN_S if status == 429 else 0)


def unknown_pair(symbol: str, known: list[str]) -> Problem:
    """A pair that the network does not have."""
    return Problem(404, "unknown-pair", f"no pair {symbol[:64]!r}; there are {', '.join(known[:20])}")
