"""gossipbook: a peer-to-peer order matching network."""
