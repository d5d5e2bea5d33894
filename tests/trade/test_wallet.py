"""A wallet never signs two ops with one sequence number, whatever happens between two of them."""

import signal
import sqlite3
from pathlib import Path

import pytest
from storage.support import CHAIN, PAIRS, identity, python

from gossipbook.crdt.op import GENESIS_PREV, Op
from gossipbook.errors import GossipbookError, KeyFileError, WalletError
from gossipbook.matching.commands import Cancel, OrderType, Place, PlaceSpecial, Side, TimeInForce
from gossipbook.storage.keys import create_key
from gossipbook.trade.author_events import ChainRecord
from gossipbook.trade.wallet import Wallet

GOLD, IRON = PAIRS


def buy(client_id: int) -> Place:
    return Place(client_id, Side.BUY, OrderType.LIMIT, 100, 5, TimeInForce.GTC)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key(tmp_path / "author.key")
    return tmp_path / "author.key"


def chain(ops: list[Op]) -> list[int]:
    """The sequence numbers of ops that follow one another; fails when they do not."""
    head = GENESIS_PREV
    for op in ops:
        assert op.prev == head
        head = op.id
    return [op.seq for op in ops]


def test_ops_follow_one_another_across_reopening(key_file: Path) -> None:
    ops = []
    for _ in range(5):
        wallet = Wallet.open(key_file, CHAIN)
        ops += [wallet.sign(GOLD, [buy(wallet.next_client_id(GOLD))]) for _ in range(3)]
        wallet.close()
    assert chain(ops) == list(range(15))
    assert [op.commands[0].client_id for op in ops] == list(range(1, 16))


def test_special_orders_use_ids_up_too(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    iceberg = PlaceSpecial(3, Side.BUY, OrderType.LIMIT, 100, 5, TimeInForce.GTC, display_lots=1)
    wallet.sign(GOLD, [iceberg])
    assert wallet.next_client_id(GOLD) == 4
    wallet.close()
    again = Wallet.open(key_file, CHAIN)
    assert again.next_client_id(GOLD) == 4
    again.close()


def test_pairs_and_networks_have_heads_of_their_own(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    first = wallet.sign(GOLD, [buy(7), buy(9)])
    other = wallet.sign(IRON, [buy(1)])
    assert (first.seq, other.seq) == (0, 0)
    assert (wallet.next_client_id(GOLD), wallet.next_client_id(IRON)) == (10, 2)
    wallet.close()
    elsewhere = Wallet.open(key_file, b"n" * 32)
    assert elsewhere.sign(GOLD, [buy(1)]).seq == 0
    assert elsewhere.uncertified(GOLD)[0].chain_id == b"n" * 32
    elsewhere.close()
    again = Wallet.open(key_file, CHAIN)
    assert again.next_client_id(GOLD) == 10
    assert again.sign(GOLD, [Cancel(9)]).prev == first.id
    assert again.next_client_id(GOLD) == 10
    again.close()


SIGN_UNTIL_KILLED = """
import sys
from pathlib import Path
from gossipbook.trade.author_events import ChainRecord
from gossipbook.trade.wallet import Wallet
from storage.support import CHAIN, PAIRS
from gossipbook.matching.commands import Place

wallet = Wallet.open(Path(sys.argv[1]), CHAIN)
while True:
    op = wallet.sign(PAIRS[0], [Place(wallet.next_client_id(PAIRS[0]), 1, 1, 100, 5, 1)])
    print(op.seq, op.id.hex(), flush=True)
"""


def test_an_op_that_was_returned_is_never_forgotten(key_file: Path) -> None:
    """Killed right after signing, again and again."""
    head, seen = GENESIS_PREV, 0
    for stop_after in (1, 5, 17):
        process = python(SIGN_UNTIL_KILLED, key_file)
        try:
            assert process.stdout is not None
            for _ in range(stop_after):
                seq, head = process.stdout.readline().split()
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().splitlines(keepends=True)
        finally:
            process.kill()
            process.communicate()
        printed = [line.split() for line in rest if line.endswith("\n")]
        if printed:
            seq, head = printed[-1]
        wallet = Wallet.open(key_file, CHAIN)
        ops = wallet.uncertified(GOLD)
        assert chain(ops) == list(range(len(ops)))
        assert ops[int(seq)].id.hex() == head
        assert len(ops) in (int(seq) + 1, int(seq) + 2), "at most one more was signed and not printed any more"
        assert len(ops) > seen
        seen = len(ops)
        wallet.close()


def test_two_programs_with_one_key_take_turns(key_file: Path) -> None:
    here, there = Wallet.open(key_file, CHAIN), Wallet.open(key_file, CHAIN)
    ops = [here.sign(GOLD, [buy(1)])]
    there.next_client_id(GOLD)
    ops += [wallet.sign(GOLD, [Cancel(1)]) for wallet in (here, there, there, here)]
    assert chain(ops) == [0, 1, 2, 3, 4]
    assert there.uncertified(GOLD) == ops[:4]
    there.close()
    here.close()
    reopened = Wallet.open(key_file, CHAIN)
    assert reopened.uncertified(GOLD) == ops
    reopened.close()


def test_two_programs_take_turns_in_several_pairs(key_file: Path) -> None:
    """What the other one signed in a pair is taken up too when this one looked at the file for another pair."""
    here, there = Wallet.open(key_file, CHAIN), Wallet.open(key_file, CHAIN)
    ops: dict[str, list[Op]] = {GOLD: [], IRON: []}
    for wallet in (here, there, here, there):
        for pair in PAIRS:
            ops[pair].append(wallet.sign(pair, [Cancel(1)]))
    assert [chain(ops[pair]) for pair in PAIRS] == [[0, 1, 2, 3]] * 2
    there.close()
    here.close()


def test_an_op_that_cannot_be_signed_keeps_no_other_program_waiting(key_file: Path) -> None:
    here, there = Wallet.open(key_file, CHAIN), Wallet.open(key_file, CHAIN)
    with pytest.raises(GossipbookError):
        here.sign(GOLD, [Cancel(1)] * 1_000)
    there._file._db.execute("PRAGMA busy_timeout = 0")
    assert there.sign(GOLD, [buy(1)]).seq == 0
    assert here.sign(GOLD, [buy(2)]).seq == 1
    there.close()
    here.close()


def test_a_full_disk_signs_nothing_and_spoils_nothing(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    first = wallet.sign(GOLD, [buy(1)])
    wallet._file._db.execute("PRAGMA max_page_count = 1")
    for _ in range(3):
        with pytest.raises((sqlite3.OperationalError, GossipbookError), match="full"):
            wallet.sign(GOLD, [buy(2 + i) for i in range(250)])
    assert wallet.next_client_id(GOLD) == 2
    assert wallet.uncertified(GOLD) == [first]
    wallet._file._db.execute("PRAGMA max_page_count = 100000")
    second = wallet.sign(GOLD, [buy(2)])
    assert chain([first, second]) == [0, 1]
    wallet.close()


def test_what_is_certified_is_marked_and_not_read_again(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    ops = [wallet.sign(GOLD, [buy(i + 1)]) for i in range(12)]
    wallet.sign(IRON, [buy(1)])
    wallet._file.begin()
    wallet._file.write((), [ChainRecord(GOLD, 12, ops[-1].id, 12, 6, 3)])
    wallet.close()
    again = Wallet.open(key_file, CHAIN)
    assert again.uncertified(GOLD) == ops[6:]
    assert len(again.uncertified(IRON)) == 1
    assert again.unfinished_pairs() == [GOLD, IRON]
    assert again.next_client_id(GOLD) == 13
    assert again.find(GOLD, 3) == ops[2]
    assert again.find(GOLD, 13) is None
    again.close()


def test_a_wallet_whose_file_was_lost_signs_nothing_by_itself(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    wallet.sign(GOLD, [buy(1)])
    wallet.close()
    for file in key_file.parent.glob("author.key.ops*"):
        file.unlink()
    for _ in range(2):  # That the file is there again does not mean that it knows.
        lost = Wallet.open(key_file, CHAIN)
        with pytest.raises(WalletError, match="holds no ops"):
            lost.sign(GOLD, [buy(1)])
        lost.close()


def test_a_wallet_in_memory_keeps_the_same_rules() -> None:
    wallet = Wallet(identity("author"), CHAIN)
    ops = [wallet.sign(GOLD, [buy(i + 1)]) for i in range(3)]
    assert chain(ops) == [0, 1, 2]
    assert wallet.uncertified(GOLD) == ops
    wallet.close()


def test_a_damaged_wallet_is_said_in_one_line(key_file: Path) -> None:
    Wallet.open(key_file, CHAIN).close()
    key_file.with_name("author.key.ops").write_bytes(b"no database at all" * 500)
    with pytest.raises(KeyFileError, match="cannot use the wallet beside"):
        Wallet.open(key_file, CHAIN)


def test_a_wallets_file_holds_no_secret(key_file: Path) -> None:
    wallet = Wallet.open(key_file, CHAIN)
    wallet.sign(GOLD, [buy(1)])
    files = list(key_file.parent.glob("author.key.ops*"))
    assert files
    for file in files:
        content = file.read_bytes()
        assert wallet.identity.seed not in content
        assert wallet.identity.seed.hex().encode() not in content
    wallet.close()
