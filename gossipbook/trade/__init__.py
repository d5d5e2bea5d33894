"""The trader's side: signs orders, brings them to peers until they are certified, and proves what became of them.

An author is a key. In each pair it signs a chain of *ops* (1 to 256 commands each), numbered from 0 without a gap,
each naming the one before it by hash. Two different ops with one number are proof of cheating and freeze the key for
good, so most rules below serve one end: never to sign a second op with a number that the key may have used, whatever
was lost, restarted or lied about.

    author  ◀ head_finding ◀ delivery ◀ author_state      the author core: pure, events in, effects out
       ▲
    author_driver ◀ wallet ▶ wallet_file                  the core on trio, and the file beside the key
       ▲
    client ▶ connections ▶ peer_link                      links to peers; blocks, books and questions over them
       ▲
    pair_calls ▶ tickets, numbers                         what traders call: place, cancel, …

The same core runs in wallets, in embedded peers, in the demonstration and the rig, and in the simulator.

Rules of the core, for each pair
================================

Upon the first use of a pair: ask every linked peer what the key signed (``AskAuthor``), and ask those that are linked
    later. If the wallet was lost, a quorum of the committee's members is wanted.
Upon an ``AuthorWord``: keep what it proves. An op with the author's signature was signed; the certificate of a block
    that holds it proves that it and all before it are certified; two ops with one number prove a fork. A word that is
    not genuine, or of a peer that is behind the author and still catches up, counts as none. If there are more ops,
    ask on; the peer has not answered until it has told them all.
Upon the last word, or after ``head_patience_ms``: the pair is *settled* if any word was heard. If none was, all are
    asked again, and committee members are wanted: the wallet may be an old copy, and silence proves nothing. Go on from
    the highest op that is proven, and send everything from the lowest that is not certified. Nothing is signed while
    there is a hold:

    ===================  ===========================================================================
    no-answer            the pair is not settled                                              passes
    in-flight-full       ``in_flight_cap`` ops, or the network's window, are not certified    passes
    wallet-lost          fewer committee members than a quorum have answered                  passes
    peers-behind         everybody who answered knows less than the author does               passes
    network-behind       the same, said by the own peer or by f+1 committee members
    key-used-elsewhere   an op is proven that cannot stand beside the wallet's
    key-frozen           two ops with one number are proven
    ===================  ===========================================================================

Upon ``Sign`` without a hold: make the commands for the lowest unused client order id, sign the next op, persist it, and
    only then send it, to ``copies`` links: the own peer first, then the leader, other members, anybody.
Upon the resend timer: send the oldest ops that were sent long enough ago, ``resends_at_once`` of them, to the next
    link, and wait twice as long, up to ``resend_cap_ms``. An op goes on being sent until it is certified: those after
    it wait for it.
Upon an ack: tell the level, but *certified* only if it comes from the own peer. The block that an ack of *certified*
    names is given ``block_patience_ms`` to come by itself, and asked for then. A refusal that says that the peer knows
    another chain of the key (``HEAD_REFUSALS``) has that peer asked for its word.
Upon a block that is proven: the author's ops in it, and all before them, are certified; tell what each op did.
Upon a link that ended: send what went over it alone over the next ones at once.
Upon a wallet file that another program wrote: read the chain anew before signing.

The wallet signs inside a transaction of its file that keeps other programs out, commits all ops of a turn at once, and
lets out what the core emitted behind them only when they are durable. From the signature on no cancellation parts the
steps: an op is refused before it is signed, or it is signed, durable and sent. What a program that died left
uncertified is sent by the next one that opens the wallet.

Who believes what
=================

The own peer, known by its key (an embedded peer, or the peer of one's own folder), is believed: ``Proof.OWN_PEER``.
From anybody else an outcome needs the block, its certificate by a quorum of the pair's committee, and all its events,
which are held to the digest that the block covers: ``Proof.CERTIFICATE``. A peer whose block does not fit is left, and
another one dialled. So while at most f members of a committee lie, no outcome is wrong, whatever the linked peers do;
if all of those are mute or lie it is late, and the caller is told ``OutcomeUnknown``. Answers to questions, and books,
are one peer's word.

Peers that serve proofs say so in the handshake, by the feature ``proofs``: ``AskAuthor``/``AuthorWord`` (a key's
chain), ``AskBlock``/``ProvenBlock`` (a block), ``WatchProven`` (all blocks from now on). Two links watch each pair, and
the first copy of a block counts.

Where the rules come from
=========================

Signed chains of one author each, whose forks freeze the key, are those of ``crdt``; *persist before send* is that of
``consensus``. Two choices are this package's own. A lost wallet waits for the words of q members, since any q share an
honest one with the quorum that certified the key's last op. And which client order ids are used cannot be proven, so
that of more than f members the f + 1st highest claim is taken, which an honest one backs; with fewer answers a claim
is believed within ``head.ID_LEAP_CAP``. A lie costs numbers that way, and no order.

Invariants: an op is durable before it leaves; of one number, one op is signed; what is told as certified is in a block
that a quorum certified; what is told as refused was never signed. ``tests/trade`` has transcripts, planted bugs and the
wallet's crashes; the simulator's liars are in ``sim/adversaries``.

Bounds: ops in flight ``in_flight_cap``; callers that wait to sign ``REQUESTS_CAP``; ops that somebody wants to hear of
``WANTED_CAP``, and those whose block was not seen ``UNSEEN_CAP``; links ``LINKS_CAP``; addresses ``ADDRESSES_CAP``;
questions a link ``QUESTIONS_CAP``; blocks for a reader ``BLOCKS_QUEUED_CAP``; messages for a book
``FEED_MESSAGES_CAP``; events of a block ``EVENTS_CAP``.
"""
