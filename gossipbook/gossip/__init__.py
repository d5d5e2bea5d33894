"""Gossip: messages of a topic to everybody who follows it, each validated before it is passed on.

GossipSub's vocabulary (libp2p, "gossipsub v1.1") for small signed messages. The package moves opaque payloads:
what a message is and whether it is good, the composition around it knows.

Upon a link: tell the peer which topics we follow; graft it into meshes that are below their low mark.
Upon PUSH: work out the id; drop it if it was seen; judge it; if good, pass it on to the topic's mesh but for
its sender and who is choked for its source (:mod:`~gossipbook.gossip.chokes`), keep it in the message cache, and
count it as seen. A bad one is held against who sent it to us.
Upon IHAVE: ask with IWANT for ids not seen and not asked for; in a moment, if its sender is in the mesh, since the
message is on its way then. Upon IWANT: send from the cache, at most three times.
Upon a heartbeat (1 s with jitter): mend the meshes (degree 8, low 6, high 12, at least 2 outbound), announce
recent ids to a few followers outside the mesh or choked. Between heartbeats, ten times a second at most: announce
to who asked for it when choked, ask the next announcer where a promise was broken.
Upon GRAFT while its sender is in a pause, or into a full mesh: PRUNE, with a pause.

An id counts as seen only after its message was accepted, so that a forgery sent first censors nothing.

Bounds (:class:`~gossipbook.gossip.config.GossipConfig`, GossipSub's where it has one): ids an IHAVE, IHAVEs a
peer and heartbeat, retransmissions an id and asker, pauses that a remote may impose, cache bytes, seen ids,
open promises, peers, sources of which a parent is known, sources that a peer may choke.
"""
