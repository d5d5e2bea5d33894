"""What a wallet tells of itself: the ops that its key signed, and the orders in them."""

from gossipbook.crdt.op import Op
from gossipbook.errors import WalletError
from gossipbook.identity import Identity
from gossipbook.ids import ChainId
from gossipbook.trade.author import AuthorCore
from gossipbook.trade.author_driver import AuthorDriver
from gossipbook.trade.text_ids import NamedOrder, TextIds
from gossipbook.trade.wallet_file import WalletFile


class WalletQuestions(AuthorDriver):
    """An author core with the file of its ops."""

    def __init__(self, core: AuthorCore, chain_id: ChainId, identity: Identity, file: WalletFile) -> None:
        super().__init__(core, chain_id)
        self.identity = identity
        self._file = file
        self._texts = TextIds(file.find_text)

    def next_client_id(self, pair: str) -> int:
        """The lowest client order id that a place may use now."""
        return self._in_loop(lambda: self.core.chain(pair).last_client_id + 1)

    def uncertified(self, pair: str) -> list[Op]:
        """The ops that are not known to be certified, in order."""
        return self._in_loop(lambda: self.core.chain(pair).waiting())

    def unfinished_pairs(self) -> list[str]:
        """The pairs in which something is not known to be certified."""
        return self._in_loop(lambda: [] if self._closed else self._file.pairs())

    def find(self, pair: str, client_id: int) -> Op | None:
        """The op with which this wallet placed an order, or None.

        Raises:
            WalletError: the wallet is closed.
        """
        return self._in_loop(lambda: self._open_file().find(pair, client_id))

    def _open_file(self) -> WalletFile:
        if self._closed:
            raise WalletError("the wallet is closed")
        return self._file

    def find_text(self, pair: str, text_id: str) -> NamedOrder | None:
        """The order that this wallet signed under a text id, or None.

        Raises:
            WalletError: the wallet is closed.
        """
        return self._in_loop(lambda: self._find_text(pair, text_id))

    def _find_text(self, pair: str, text_id: str) -> NamedOrder | None:
        self._open_file()
        return self._texts.find(pair, text_id)

    @property
    def whole(self) -> bool:
        """Whether all that the key ever signed is in the wallet; else peers may know of more."""
        return self._file.whole
