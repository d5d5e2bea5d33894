"""The DHT's datagrams: CBOR arrays of five fields, or six with a claim, pure.

    request  [0, network, message id, public key, [method, arguments..., padding]]
    reply    [1, network, message id, public key, [results...]]
    claim    [IP address, port], in either: where the sender wants to be contacted, if not where it sends from

``network`` is the chain id's first eight bytes. A node's id is never sent for itself: it is derived from the
public key. Requests for nodes or records are padded to 448 bytes, so that a reply of at most 1,232 bytes is
less than three times as long (RFC 9000, section 8.1, for datagrams to addresses that may be forged).
"""

import ipaddress
from dataclasses import dataclass
from typing import Any, NamedTuple

from gossipbook import cbor
from gossipbook.dht.records import RECORD_BYTES_CAP
from gossipbook.errors import DecodeError
from gossipbook.ids import PEER_ID_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, ChainId, PeerId, PublicKey

DATAGRAM_BYTES_CAP = 1_232  # IPv6's least MTU of 1,280 bytes without its headers.
MIN_FIND_BYTES = 448
REPLY_HEAD_BYTES = 104  # Everything of a providers reply but nodes, records and the claim, rounded up.
CLAIM_BYTES = 21  # At most: heads, IPv6 address, port.
MESSAGE_ID_BYTES = 16
NETWORK_BYTES = 8
NODES_PER_REPLY = 8
NODE_BYTES = 44  # One node of a reply at most: heads, id, IPv6 address, port.

PING, FIND_NODE, FIND_PROVIDERS, STORE_RECORD = "ping", "find_node", "find_providers", "store_record"
REQUEST, REPLY = 0, 1

_SIX_FIELDS = b"\x86"  # CBOR's head of an array of six.

Address = tuple[str, int]


class Contact(NamedTuple):
    """Where a node is said to be."""

    node_id: PeerId
    host: str
    port: int

    @property
    def address(self) -> Address:
        return (self.host, self.port)


@dataclass(frozen=True, slots=True)
class Request:
    message_id: bytes
    public_key: PublicKey
    method: str
    arguments: list[Any]
    claim: Address | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    message_id: bytes
    public_key: PublicKey
    results: list[Any]
    claim: Address | None = None


class DatagramError(DecodeError):
    """A datagram that is refused; ``reason`` is one fixed word, fit for a counter's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def network_of(chain_id: ChainId) -> bytes:
    return chain_id[:NETWORK_BYTES]


def encode_request(network: bytes, request: Request) -> bytes:
    """A request, padded if its method asks for a long reply."""
    raw = _encode(REQUEST, network, request, _call(request, 0))
    if request.method in (FIND_NODE, FIND_PROVIDERS) and len(raw) < MIN_FIND_BYTES:
        raw = _encode(REQUEST, network, request, _call(request, MIN_FIND_BYTES - len(raw)))
    assert len(raw) <= DATAGRAM_BYTES_CAP
    return raw


def encode_reply(network: bytes, reply: Reply) -> bytes:
    raw = _encode(REPLY, network, reply, reply.results)
    assert len(raw) <= DATAGRAM_BYTES_CAP
    return raw


def decode(raw: bytes, network: bytes) -> Request | Reply:
    """Decode a datagram of this network.

    Raises:
        DatagramError: oversize, garbage, other-network, or too-short for the reply it asks for.
    """
    if len(raw) > DATAGRAM_BYTES_CAP:
        raise DatagramError("oversize")
    try:
        message, its_network = _decode(raw)
    except DecodeError:
        raise DatagramError("garbage") from None
    if its_network != network:
        raise DatagramError("other-network")
    if isinstance(message, Request) and message.method in (FIND_NODE, FIND_PROVIDERS) and len(raw) < MIN_FIND_BYTES:
        raise DatagramError("too-short")
    return message


def _decode(raw: bytes) -> tuple[Request | Reply, bytes]:
    fields = cbor.decode_array(raw, 6 if raw[:1] == _SIX_FIELDS else 5)
    kind, network, message_id, public_key, content = fields[:5]
    cbor.check_uint(kind, "kind", REPLY)
    cbor.check_bytes(network, "network", NETWORK_BYTES)
    cbor.check_bytes(message_id, "message id", MESSAGE_ID_BYTES)
    cbor.check_bytes(public_key, "public key", PUBLIC_KEY_BYTES)
    items = cbor.check_list(content, "content", 8)
    claim = _check_claim(fields[5]) if len(fields) == 6 else None
    if kind == REPLY:
        return Reply(message_id, public_key, items, claim), network
    if len(items) < 2:
        raise DecodeError("a request has a method and padding")
    method = cbor.check_text(items[0], "method", 32)
    cbor.check_blob(items[-1], "padding", MIN_FIND_BYTES)
    return Request(message_id, public_key, method, items[1:-1], claim), network


def _check_claim(value: object) -> Address:
    if type(value) is not list or len(value) != 2:
        raise DecodeError("claim: expected address and port")
    address, port = _check_place(*value)
    if not port:
        raise DecodeError("port: expected 1 to 65535")
    return str(address), port


def check_key(value: object) -> PeerId:
    return cbor.check_bytes(value, "key", PEER_ID_BYTES)


def check_cursor(value: object) -> bytes:
    """Empty for the first page, else the signer of the last record seen."""
    return b"" if value == b"" else cbor.check_bytes(value, "cursor", PUBLIC_KEY_BYTES)


def pong_results(results: list[Any]) -> bytes:
    (signature,) = _exactly(results, 1)
    return cbor.check_bytes(signature, "signature", SIGNATURE_BYTES)


def stored_results(results: list[Any]) -> bool:
    (taken,) = _exactly(results, 1)
    if type(taken) is not bool:
        raise DecodeError("stored: expected a boolean")
    return taken


def node_results(results: list[Any], sender: Address) -> list[Contact]:
    (nodes,) = _exactly(results, 1)
    return unpack_nodes(nodes, sender)


def provider_results(results: list[Any], sender: Address) -> tuple[list[Contact], list[bytes], bytes]:
    """Nodes, signed records and the cursor of the next page of a reply."""
    nodes, records, cursor = _exactly(results, 3)
    raws = [cbor.check_blob(raw, "record", RECORD_BYTES_CAP) for raw in cbor.check_list(records, "records", 32)]
    return unpack_nodes(nodes, sender), raws, check_cursor(cursor)


def pack_nodes(contacts: list[Contact]) -> list[list[Any]]:
    return [[c.node_id, ipaddress.ip_address(c.host).packed, c.port] for c in contacts[:NODES_PER_REPLY]]


def unpack_nodes(value: object, sender: Address) -> list[Contact]:
    """Nodes of a reply. Those at addresses that ``sender`` cannot know or nobody can have are left out."""
    version = ipaddress.ip_address(sender[0]).version
    loopback = ipaddress.ip_address(sender[0]).is_loopback
    contacts = []
    for item in cbor.check_list(value, "nodes", NODES_PER_REPLY):
        if type(item) is not list or len(item) != 3:
            raise DecodeError("node: expected id, address and port")
        node_id = cbor.check_bytes(item[0], "node id", PEER_ID_BYTES)
        address, port = _check_place(item[1], item[2])
        if port and address.version == version and _reachable(address, loopback):
            contacts.append(Contact(node_id, str(address), port))
    return contacts


def believable(claim: Address, sender: Address) -> bool:
    """Whether whoever sends from ``sender`` can know an address, and somebody can have it."""
    address, seen = ipaddress.ip_address(claim[0]), ipaddress.ip_address(sender[0])
    return address.version == seen.version and _reachable(address, seen.is_loopback)


def pack_claim(claim: Address | None) -> bytes:
    """A claim as a signature covers it; nothing for none."""
    return b"" if claim is None else ipaddress.ip_address(claim[0]).packed + claim[1].to_bytes(2, "big")


def _check_place(packed: object, port: object) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    packed = cbor.check_blob(packed, "address", 16)
    if len(packed) not in (4, 16):
        raise DecodeError("address: expected 4 or 16 bytes")
    return ipaddress.ip_address(packed), cbor.check_uint(port, "port", 65_535)


def _reachable(address: ipaddress.IPv4Address | ipaddress.IPv6Address, from_loopback: bool) -> bool:
    if address.is_loopback:
        return from_loopback  # A remote's loopback address would be one of ours.
    return not (address.is_multicast or address.is_unspecified or address.is_reserved)


def _exactly(results: list[Any], length: int) -> list[Any]:
    if len(results) != length:
        raise DecodeError(f"expected {length} results")
    return results


def _call(request: Request, padding: int) -> list[Any]:
    return [request.method, *request.arguments, bytes(padding)]


def _encode(kind: int, network: bytes, message: Request | Reply, content: list[Any]) -> bytes:
    fields: list[Any] = [kind, network, message.message_id, message.public_key, content]
    if message.claim is not None:
        fields.append([ipaddress.ip_address(message.claim[0]).packed, message.claim[1]])
    return cbor.encode(fields)
