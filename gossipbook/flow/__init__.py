"""Order flow for demonstrations, tests and benchmarks: recorded, or generated with a recording's statistics.

A *flow* is a prelude, which builds the book as it is at the start, and a stream of :class:`FlowStep`: at this
time, this author sends this command. A flow knows nothing of keys, ops, engines or peers; whoever drives it maps
authors to keys, packs commands into ops and keeps (or ignores) the pace.

Where flows come from
---------------------
:func:`lobster_flow` reads a LOBSTER message file. The file tells what happened to orders in the book, not what was
sent, so:

- upon a submission: a GTC limit order of the maker who gets the order for life;
- upon a reduction: a reduce-only amend to the new total; upon a deletion: a cancel;
- upon consecutive executions of one time and one side: one IOC limit order of a taker on the other side, at the worst
  of their prices, for their sum;
- hidden executions, crosses and halts: nothing, they were not in the visible book;
- an order that is executed, reduced or deleted but was never submitted was in the book before the file begins if its id
  is below that of the first submission (ids grow with time), and belongs to the prelude; else it entered
  out of the recorder's view, and enters here before the first submission with a higher id;
- an order whose id is below those of orders in its queue is older: they are cancelled and placed anew behind it.

A file of N levels does not record what happens to an order while N levels are better. The flow keeps a book of its own
(:class:`~gossipbook.flow.follower.Follower` has the rules), so that nothing is filled that the recording did not fill:

- an order that no later message names is cancelled once a recorded submission rests across it or a recorded take passes
  it; in files of one level also once it is better than an event's price;
- an order that a take passes over and a later message names steps aside for that take, which happens 8 times in 3,323;
- with the orderbook file, quantity that comes into view enters, as orders that no message names, and what is not
  shown leaves: after each message the book is the recorded one at all its levels. (Between the executions of one
  take there is no book: they are one command.)

:class:`ReplayAudit` is told the events of an engine that runs the flow, and compares its fills with the recorded ones.

:func:`generated_flow` draws an endless flow from one seed. Upon an arrival (Poisson in regimes of half a second, with
microbursts): a take, or a submission whose distance, life and size are drawn from the recorded distributions. Upon
the end of a life: a cancel, at once or as a reaction to the next arrival. It keeps a picture of the book, so every
step names an order that is open, submissions never cross, and takes meet what they mean to meet.

:func:`measure` computes the figures by which the two are compared.

Promises
--------
- The same file or the same seed gives the same steps, in any process.
- Times never fall. Client ids rise strictly for each author. An order stays with its author. Takers rest nothing.
- A recorded order that is placed anew has a new client id: its name at any time is that of its latest placing.
- An engine with price-time priority without a price band that runs nothing but a flow refuses none of its commands.
- Commands hold integers only: prices in ticks, quantities in lots. (The generator draws times with floats and rounds.)

Bounds: a replay remembers the open orders, the ids of the file and the fills of its takes; a generator the open
orders and their plans, some hundreds, for ever.
"""

from gossipbook.flow.figures import ReplayAudit, ReplayFigures
from gossipbook.flow.generator import generated_flow
from gossipbook.flow.lobster import RecordedMessage, Take, group_takes, read_messages
from gossipbook.flow.replay import RecordedFlow, lobster_flow
from gossipbook.flow.statistics import FlowStatistics, measure
from gossipbook.flow.step import Flow, FlowStep
from gossipbook.flow.unseen import UnseenOrder, merge_unseen, unseen_orders

__all__ = [
    "Flow",
    "FlowStatistics",
    "FlowStep",
    "RecordedFlow",
    "RecordedMessage",
    "ReplayAudit",
    "ReplayFigures",
    "Take",
    "UnseenOrder",
    "generated_flow",
    "group_takes",
    "lobster_flow",
    "measure",
    "merge_unseen",
    "read_messages",
    "unseen_orders",
]
