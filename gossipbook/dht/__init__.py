"""Discovery: a Kademlia DHT of signed, short-lived provider records.

Source: Maymounkov and Mazières, "Kademlia" (2002), in the ``kademlia`` package, whose buckets, node and crawl
classes are built on; BEP 5 for the sizes. This package's import gives the pure part only (records and their
table). The node is in :mod:`gossipbook.dht.node`; ``trio_asyncio`` is imported when a node is opened, not
before.

A node's id is the first 160 bits of SHA-256 of its public key. A key is 160 bits too. Under a key, each peer
that serves it keeps one record at the k nodes nearest to the key, and renews it every heartbeat until it
withdraws it or dies; a dead peer's record is gone within its expiry. What a look-up returns is a hint about
where somebody was lately; the handshake of the link made to them authenticates.

Upon
----
*a datagram*: refuse what is too long, garbage, of another network, or a request too short for the reply it
asks for. Count the reason, do nothing else. Nothing a remote sends raises into the program.

*ping*: sign the request's id and the asker's key. *find_node*: name the nearest eight nodes that are not
known to be dead. *find_providers*: the same, and a page of the key's records; matchers' first.
*store_record*: check size, form, key and how long it lasts, then whether the table would take it, then the
signature. Any other method, ``store`` and ``find_value`` among them, is refused.

*a sender that is not in the routing table*: ping it; if the answer proves its key, admit it. *a known id at a
new address*: ping the old address first, and move the node only if that is silent and the new one proves the
key.

*a sender that claims a contact address* (a node behind a UDP proxy): answer where it sends from, but verify and
know it at the claimed address alone. Its signed answer covers the claim, and one that claims another address
than it was obtained at proves nothing there: such a node is known at its claimed address or not at all, so it is
gone when its proxy is. *a known node whose own proof names another address*: forget it where it was, verify it
there. A claim of an address that the sender cannot know (loopback, another IP version) is not looked into.

*no answer within the timeout* (the request is sent twice): remove that address from the routing table, and
neither ask nor name it for a minute. It is back as soon as it sends something and proves its key again.

*a full bucket*: keep the newcomer in reserve, ping the least recently heard node, replace it if it is silent.

*each heartbeat*: ping the quietest nodes, look for our own id and for a random one. If no node is left, join
again through the addresses known so far.

*announce*: sign, find the k nearest nodes (remembered for a minute), store there, at the nearest known
matchers' nodes, and here if this node is near. *look-up*: crawl to the k nearest, read all pages of each, and
return the union: for each signer the newest record that verifies, unless it is a withdrawal.

What is proved, and what not
----------------------------
Requests and replies carry the sender's public key, so an id cannot be made up beside it, but they are not
signed: 75 µs for each datagram on both sides would buy little, since ids near any key can be ground in a
second and records prove themselves. A signature is asked for where one lasts: before a node enters the
routing table. Somebody who relays that one exchange can pose as a node that nobody knows at another address
yet, unless that node claims its own, and then withhold records like any node; they cannot alter any. A claim is
worth two pings to the claimed address, as a forged sender address is, under the same cap on nodes being
verified; nothing else goes there before the key is proved. Since ground ids may surround a key,
records are stored at and read from the nearest matchers' nodes as well: those keys are in the manifest.

Deviations from the stock package
---------------------------------
Strict CBOR datagrams in place of msgpack; many signed records for a key in place of one value that anybody
may set; no copying of values to new nodes (signers renew them); nodes verified before they are admitted,
moved when they move, and forgotten after one unanswered request (two datagrams) in place of staying listed;
buckets split only around our own id; exact nearest nodes; a crawl that does not wait for the dead in turn; no
pickled state: keep ``good_nodes()``.

A node that claims an address may see its proxy's address in place of a sender's. It knows the sender there until it
hears of another address from other nodes; those whom it tells meanwhile may find nobody there. Behind a proxy that
does not keep senders' addresses, a node should therefore join through others and not be their only bootstrap node.

What is bounded
---------------
Datagrams (1,232 bytes; a reply is less than three times its request) and pages; records for a key, a signer
and a node; the routing table (160 buckets of k, and five times as many in reserve); nodes remembered as dead;
requests waiting for replies; nodes being verified; signatures made and checked for others a second; nodes and
pages of a crawl, and its time; bytes waiting for the kernel. The caps are constants of these modules or in
:class:`DhtConfig`.
"""

from gossipbook.dht.config import DhtConfig
from gossipbook.dht.records import ProviderRecord, RecordError, open_record, parse_record, record_check, sign_record
from gossipbook.dht.table import ProviderTable, Stored, TableLimits

__all__ = [
    "DhtConfig",
    "ProviderRecord",
    "ProviderTable",
    "RecordError",
    "Stored",
    "TableLimits",
    "open_record",
    "parse_record",
    "record_check",
    "sign_record",
]
