"""The shells around a peer core on a real network, as a tree of trio nurseries.

    open_runtime          folder, lock, key, journal, core
    ├─ Driver             decide: events → core; perform: records → disk, then effects; timers
    ├─ Archivist            events of final blocks → archive; receipts and the past of an order out of it
    ├─ listener           one task a connection: TLS, websocket, handshake, Link
    ├─ dialler            committee members first, then a few more followers; one task an address
    └─ discovery          announce, look up, rejoin (the DHT runs in a nursery of its own)

A :class:`~gossipbook.net.link.Link` reads, writes and pings; its lanes are bounded and never waited for. The driver
never waits for a peer, so a slow one holds up nobody. :mod:`service` answers what only reads.
"""
