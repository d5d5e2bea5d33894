"""The rule book sentence by sentence: each test is named by its docstring's sentence and shows what it comes to.

What is expected was written by hand from the text; see :mod:`tests.audit.script` for the language.
"""

from tests.audit.script import obey

# -- icebergs ---------------------------------------------------------------------------------------------


def test_iceberg_matches_with_all_of_it_and_shows_a_slice() -> None:
    """An order with a displayed quantity matches on arrival with all of it; what rests shows at most that."""
    obey("""
        at 1000
        A1 sell 4@100
          accepted A1 sell 4@100
        B1 buy 10@100 show=2
          accepted B1 buy 10@100
          B1 buys 4@100 from A1
          sliced B1 2+4
        book
          bids: B1 2+4@100
    """)


def test_iceberg_within_its_display_is_no_iceberg() -> None:
    """Sliced first when the order comes to rest with more than the displayed quantity open."""
    obey("""
        at 1000
        A1 sell 8@100
          accepted A1 sell 8@100
        B1 buy 10@100 show=2
          accepted B1 buy 10@100
          B1 buys 8@100 from A1
        book
          bids: B1 2@100
    """)


def test_a_new_slice_goes_to_the_back() -> None:
    """Each time that the shown slice is used up the order shows the next at the back of its level; the last too."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        B1 sell 3@100
          accepted B1 sell 3@100
        C1 buy 7@100
          accepted C1 buy 7@100
          C1 buys 2@100 from A1
          sliced A1 2+1
          C1 buys 3@100 from B1
          C1 buys 2@100 from A1
          sliced A1 1+0
        book
          offers: A1 1@100
    """)


def test_a_slice_used_in_part_stays() -> None:
    """A slice joins the back only when the one before is used up."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        B1 sell 3@100
          accepted B1 sell 3@100
        C1 buy 1@100
          accepted C1 buy 1@100
          C1 buys 1@100 from A1
        book
          offers: A1 1+3@100, B1 3@100
    """)


def test_a_cancel_takes_what_is_hidden_too() -> None:
    """A cancel takes both."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        A1 cancel
          cancelled A1 5 leaving 0: requested
    """)


def test_a_reduction_takes_what_is_hidden_first() -> None:
    """A reduction takes from what is hidden first, and keeps the place."""
    obey("""
        at 1000
        A1 sell 6@100 show=3
          accepted A1 sell 6@100
          sliced A1 3+3
        B1 sell 1@100
          accepted B1 sell 1@100
        A1 amend 4@
          amended A1 4@100 open 4
        book
          offers: A1 3+1@100, B1 1@100
        A1 amend 2@
          amended A1 2@100 open 2
        book
          offers: A1 2@100, B1 1@100
    """)


def test_the_displayed_quantity_stays_through_amends() -> None:
    """Any other amend enters the order anew, and the displayed quantity stays with it."""
    obey("""
        at 1000
        A1 sell 6@100 show=3
          accepted A1 sell 6@100
          sliced A1 3+3
        A1 amend 8@101
          amended A1 8@101 open 8
          sliced A1 3+5
        book
          offers: A1 3+5@101
    """)


def test_a_decrement_takes_what_an_iceberg_shows() -> None:
    """Decrement takes the smaller open quantity, of an iceberg maker what it shows, and goes on."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        A2 buy 3@100 mode=decrement
          accepted A2 buy 3@100
          cancelled A1 2 leaving 3: self-trade
          sliced A1 2+1
          cancelled A2 2 leaving 1: self-trade
          cancelled A1 1 leaving 2: self-trade
          cancelled A2 1 leaving 0: self-trade
        book
          offers: A1 1+1@100
    """)


def test_too_many_slices() -> None:
    """More slices than the cap are refused, by total and displayed quantity, in places and in amends."""
    obey("""
        at 1000
        A1 buy 101@100 show=1
          rejected A1 place: too-many-slices
        A2 buy 100@100 show=1
          accepted A2 buy 100@100
          sliced A2 1+99
        A2 amend 101@0
          rejected A2 amend: too-many-slices
    """)


def test_a_displayed_quantity_below_the_minimum_order() -> None:
    """Displayed quantity given and below min is out of range; not below the quantity it is nonsense."""
    obey(
        """
        at 1000
        A1 buy 10@100 show=1
          rejected A1 place: quantity-out-of-range
        A2 buy 10@100 show=10
          rejected A2 place: invalid-combination
        A3 buy 10@100 show=2 ioc
          rejected A3 place: invalid-combination
        """,
        min_qty_lots=2,
    )


# -- what must fill at once -------------------------------------------------------------------------------


def test_hidden_lots_count_for_fill_or_kill() -> None:
    """Checks of fill-or-kill and minimum quantities count what is hidden."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        B1 buy 5@100 fok
          accepted B1 buy 5@100
          B1 buys 2@100 from A1
          sliced A1 2+1
          B1 buys 2@100 from A1
          sliced A1 1+0
          B1 buys 1@100 from A1
    """)


def test_fill_or_kill_meets_an_own_order_before_a_hidden_slice() -> None:
    """Meeting an own order before that ends the check."""
    obey("""
        at 1000
        A1 sell 5@100 show=2
          accepted A1 sell 5@100
          sliced A1 2+3
        B1 sell 1@100
          accepted B1 sell 1@100
        B2 buy 4@100 fok
          accepted B2 buy 4@100
          cancelled B2 4 leaving 0: unfilled
        B3 buy 4@100 fok mode=maker
          accepted B3 buy 4@100
          B3 buys 2@100 from A1
          sliced A1 2+1
          cancelled B1 1 leaving 0: self-trade
          B3 buys 2@100 from A1
          sliced A1 1+0
    """)


def test_minimum_quantity() -> None:
    """An order with a minimum quantity that cannot fill so much at once is cancelled; else it goes on and rests."""
    obey("""
        at 1000
        A1 sell 3@100
          accepted A1 sell 3@100
        B1 buy 9@100 min=4
          accepted B1 buy 9@100
          cancelled B1 9 leaving 0: below-minimum
        B2 buy 9@100 min=3
          accepted B2 buy 9@100
          B2 buys 3@100 from A1
        book
          bids: B2 6@100
    """)


def test_invalid_minimums() -> None:
    """A minimum quantity with fill-or-kill or post-only, or above the quantity, is nonsense."""
    obey("""
        at 1000
        A1 buy 3@100 min=2 fok
          rejected A1 place: invalid-combination
        A2 buy 3@100 min=2 post
          rejected A2 place: invalid-combination
        A3 buy 3@100 min=4
          rejected A3 place: invalid-combination
    """)


# -- stops ------------------------------------------------------------------------------------------------


def test_a_stop_waits_outside_the_book() -> None:
    """A stop waits outside the book until a trade is at its stop price or beyond, and runs at the block's end."""
    obey("""
        at 1000
        A1 buy 2@105 stop=101
          waits A1 buy 2@105 from 101
        B1 sell 3@101
          accepted B1 sell 3@101
        B2 sell 5@102
          accepted B2 sell 5@102
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        book
          offers: B1 2@101, B2 5@102
          line: A1 2@105 from 101
        end
          triggered A1 2@105
          A1 buys 2@101 from B1
    """)


def test_a_sell_stop_triggers_at_or_below() -> None:
    """For a sell: at or below its stop price."""
    obey("""
        at 1000
        A1 sell 2@90 stop=99
          waits A1 sell 2@90 from 99
        A2 sell 1@90 stop=98
          waits A2 sell 1@90 from 98
        B1 buy 1@99
          accepted B1 buy 1@99
        C1 sell 1@99
          accepted C1 sell 1@99
          C1 sells 1@99 to B1
        end
          triggered A1 2@90
          cancelled A1 2 leaving 0: unfilled
        book
          waiting: A2 1@90 from 98
    """)


def test_a_stop_limit_rests() -> None:
    """A stop order's remainder is cancelled, a stop-limit order's rests, as an iceberg if it is one."""
    obey("""
        at 1000
        A1 buy 4@101 stop=101 limit show=1
          waits A1 buy 4@101 from 101
        B1 sell 2@101
          accepted B1 sell 2@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        end
          triggered A1 4@101
          A1 buys 1@101 from B1
          sliced A1 1+2
        book
          bids: A1 1+2@101
    """)


def test_what_trades_of_the_line_trigger_joins_it() -> None:
    """What their trades trigger joins the line; those of one trade by order number."""
    obey("""
        at 1000
        A1 buy 1@110 stop=103
          waits A1 buy 1@110 from 103
        A2 buy 1@110 stop=101
          waits A2 buy 1@110 from 101
        A3 buy 1@110 stop=100
          waits A3 buy 1@110 from 100
        B1 sell 1@101
          accepted B1 sell 1@101
        B2 sell 1@103
          accepted B2 sell 1@103
        B3 sell 2@104
          accepted B3 sell 2@104
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        end
          triggered A2 1@110
          A2 buys 1@103 from B2
          triggered A3 1@110
          A3 buys 1@104 from B3
          triggered A1 1@110
          A1 buys 1@104 from B3
    """)


def test_the_line_is_capped_per_block() -> None:
    """At most max_triggers_per_block orders run; what is left stays in line for the next block."""
    obey(
        """
        at 1000
        A1 buy 1@110 stop=101 limit
          waits A1 buy 1@110 from 101
        A2 buy 1@110 stop=101 limit
          waits A2 buy 1@110 from 101
        B1 sell 1@101
          accepted B1 sell 1@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        end
          triggered A1 1@110
        book
          bids: A1 1@110
          line: A2 1@110 from 101
        at 1001
        end
          triggered A2 1@110
        """,
        max_triggers_per_block=1,
    )


def test_orders_in_line_can_be_amended_and_cancelled_and_lapse() -> None:
    """Orders in line can still be cancelled, amended (keeping their place in line) and lapse."""
    obey(
        """
        at 1000
        A1 buy 1@110 stop=101 limit
          waits A1 buy 1@110 from 101
        A2 buy 1@110 stop=101 limit
          waits A2 buy 1@110 from 101
        A3 buy 1@110 stop=101 gtd=1000
          waits A3 buy 1@110 from 101
        B1 sell 1@101
          accepted B1 sell 1@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        A1 amend 2@111
          amended A1 2@111 open 2
        A2 cancel
          cancelled A2 1 leaving 0: requested
        book
          line: A1 2@111 from 101, A3 1@110 from 101
        end
        at 1001
          expired A3 1
        end
        """,
        max_triggers_per_block=0,
    )


def test_an_amended_waiting_stop_takes_a_new_number() -> None:
    """Unless it is a reduction an amended stop takes the next order number."""
    obey("""
        at 1000
        A1 buy 2@110 stop=101
          waits A1 buy 2@110 from 101
        A2 buy 2@110 stop=102
          waits A2 buy 2@110 from 102
        A1 amend 1@
          amended A1 1@110 open 1
        book
          waiting: A1 1@110 from 101, A2 2@110 from 102
        A1 amend 1@109
          amended A1 1@109 open 1
        book
          waiting: A2 2@110 from 102, A1 1@109 from 101
    """)


def test_a_stop_beyond_which_the_last_trade_is() -> None:
    """The last trade already is at a stop order's stop price or beyond: stop-would-trigger."""
    obey("""
        at 1000
        A1 buy 2@110 stop=100
          waits A1 buy 2@110 from 100
        A1 cancel
          cancelled A1 2 leaving 0: requested
        B1 sell 1@101
          accepted B1 sell 1@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        A2 buy 2@110 stop=101
          rejected A2 place: stop-would-trigger
        A3 sell 2@90 stop=101
          rejected A3 place: stop-would-trigger
        A4 buy 2@110 stop=102
          waits A4 buy 2@110 from 102
    """)


def test_the_band_meets_a_stop_when_it_runs() -> None:
    """Price band: not for stop orders; when one runs outside it, it is cancelled."""
    obey(
        """
        at 1000
        B1 sell 1@100
          accepted B1 sell 1@100
        C1 buy 1@100
          accepted C1 buy 1@100
          C1 buys 1@100 from B1
        end
        at 1001
        A1 buy 1@120 stop=101
          waits A1 buy 1@120 from 101
        A2 buy 1@120
          rejected A2 place: price-band
        B2 sell 1@101
          accepted B2 sell 1@101
        C2 buy 1@101
          accepted C2 buy 1@101
          C2 buys 1@101 from B2
        end
          triggered A1 1@120
          cancelled A1 1 leaving 0: price-band
        """,
        price_band_bps=1_000,
    )


def test_a_triggered_order_is_a_new_entry() -> None:
    """Cancel all goes by order of entry; a new slice and a trigger count as entry, and waiting orders are open."""
    obey("""
        at 1000
        A1 buy 1@99 stop=101 limit
          waits A1 buy 1@99 from 101
        A2 buy 1@120 stop=150
          waits A2 buy 1@120 from 150
        A3 buy 1@98
          accepted A3 buy 1@98
        B1 sell 1@101
          accepted B1 sell 1@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        end
          triggered A1 1@99
        at 1001
        A cancel-all
          cancelled A2 1 leaving 0: cancel-all
          cancelled A3 1 leaving 0: cancel-all
          cancelled A1 1 leaving 0: cancel-all
    """)


def test_invalid_stops() -> None:
    """A stop or stop-limit order that is IOC, FOK, post-only or has a minimum quantity is nonsense."""
    obey("""
        at 1000
        A1 buy 1@110 stop=101 ioc
          rejected A1 place: invalid-combination
        A2 buy 1@110 stop=101 post limit
          rejected A2 place: invalid-combination
        A3 buy 3@110 stop=101 min=1
          rejected A3 place: invalid-combination
        A4 buy 3@110 stop=101 show=1
          rejected A4 place: invalid-combination
        A5 buy 3@110 stop=201
          rejected A5 place: price-out-of-range
    """)


def test_waiting_orders_count_as_open() -> None:
    """It counts as open."""
    obey(
        """
        at 1000
        A1 buy 1@110 stop=101
          waits A1 buy 1@110 from 101
        A2 buy 1@99
          rejected A2 place: too-many-open-orders
        B1 buy 1@99
          accepted B1 buy 1@99
        C1 buy 1@110 stop=101
          rejected C1 place: book-full
        """,
        max_open_orders_per_author=1,
        max_open_orders_per_pair=2,
    )


# -- post-only slide --------------------------------------------------------------------------------------


def test_slide() -> None:
    """Where a post-only order would be refused for crossing, one with slide takes the nearest price that does not."""
    obey("""
        at 1000
        A1 sell 1@100
          accepted A1 sell 1@100
        B1 buy 1@103 post
          rejected B1 place: post-only-would-cross
        B2 buy 1@103 post slide
          accepted B2 buy 1@99
        C1 sell 1@98 post slide
          accepted C1 sell 1@100
        C2 sell 1@104 post slide
          accepted C2 sell 1@104
        B2 amend 2@101
          amended B2 2@99 open 2
        book
          bids: B2 2@99
          offers: A1 1@100, C1 1@100, C2 1@104
    """)


def test_nowhere_to_slide() -> None:
    """With slide it is refused if there is no price in 1..max to slide to; slide without post-only is nonsense."""
    obey("""
        at 1000
        A1 sell 1@1
          accepted A1 sell 1@1
        B1 buy 1@1 post slide
          rejected B1 place: post-only-would-cross
        B2 buy 1@1 slide
          rejected B2 place: invalid-combination
    """)


# -- states -----------------------------------------------------------------------------------------------


def test_only_a_warden_sets_states() -> None:
    """SetState by a warden, else not-a-warden; in a void op too, and to what the state is."""
    obey("""
        at 1000
        A state halted
          rejected A state: not-a-warden
        void W state halted
          halted by W
        W state halted
          halted by W
    """)


def test_halted() -> None:
    """A halted pair refuses places, amends, cancels and groups; only leases, lapses and freezes go on."""
    obey("""
        at 1000
        A1 buy 1@100 gtd=1000
          accepted A1 buy 1@100
        A2 buy 1@100
          accepted A2 buy 1@100
        W state halted
          halted by W
        A3 buy 1@100
          rejected A3 place: pair-halted
        A2 amend 1@101
          rejected A2 amend: pair-halted
        A2 cancel
          rejected A2 cancel: pair-halted
        A9 cancel
          rejected A9 cancel: pair-halted
        A cancel-all
          rejected A cancel-all: pair-halted
        A join B
          rejected A join: pair-halted
        A lease 5
          leased A until 1005
        at 1001
          expired A1 1
        at 1006
          lease ended A
          cancelled A2 1 leaving 0: lease
    """)


def test_cancel_only() -> None:
    """Cancel-only takes cancels and reductions."""
    obey("""
        at 1000
        A1 buy 3@100
          accepted A1 buy 3@100
        W state cancel-only
          cancel-only by W
        A2 buy 1@100 post
          rejected A2 place: pair-cancel-only
        A1 amend 4@
          rejected A1 amend: pair-cancel-only
        A1 amend 2@
          amended A1 2@100 open 2
        A1 cancel
          cancelled A1 2 leaving 0: requested
    """)


def test_post_only() -> None:
    """Post-only takes post-only orders and their amends, and reductions of any."""
    obey("""
        at 1000
        A1 buy 3@100
          accepted A1 buy 3@100
        W state post-only
          post-only by W
        A2 buy 1@100
          rejected A2 place: pair-post-only
        A3 buy 1@110 stop=105
          rejected A3 place: pair-post-only
        A4 buy 1@100 post
          accepted A4 buy 1@100
        A1 amend 3@101
          rejected A1 amend: pair-post-only
        A4 amend 3@101
          amended A4 3@101 open 3
        A1 amend 1@
          amended A1 1@100 open 1
    """)


def test_the_line_waits_for_an_open_pair() -> None:
    """At the end of a block, while the pair is open, the line is run."""
    obey("""
        at 1000
        A1 buy 1@110 stop=101
          waits A1 buy 1@110 from 101
        B1 sell 1@101
          accepted B1 sell 1@101
        C1 buy 1@101
          accepted C1 buy 1@101
          C1 buys 1@101 from B1
        W state cancel-only
          cancel-only by W
        end
        book
          line: A1 1@110 from 101
        at 1001
        W state open
          open by W
        end
          triggered A1 1@110
          cancelled A1 1 leaving 0: unfilled
    """)


# -- auctions ---------------------------------------------------------------------------------------------


def test_orders_rest_without_matching_in_an_auction() -> None:
    """In an auction orders rest without matching; post-only, minimum and immediate orders are refused."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 3@101
          accepted A1 buy 3@101
        B1 sell 3@99 show=1
          accepted B1 sell 3@99
          sliced B1 1+2
        B2 sell 3@99 post
          rejected B2 place: pair-in-auction
        B3 sell 3@99 ioc
          rejected B3 place: pair-in-auction
        B4 sell 3@99 min=1
          rejected B4 place: pair-in-auction
        B5 sell 3@90 stop=95
          waits B5 sell 3@90 from 95
        A join B
          rejected A join: pair-in-auction
        A1 amend 3@102
          amended A1 3@102 open 3
        book
          bids: A1 3@102
          offers: B1 1+2@99
          waiting: B5 3@90 from 95
    """)


def test_an_auction_opens_at_the_greatest_volume() -> None:
    """Of the greatest volume; then of the smallest surplus. The earlier entered of the two fronts is the maker."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 5@102
          accepted A1 buy 5@102
        B1 sell 4@99
          accepted B1 sell 4@99
        C1 sell 3@101
          accepted C1 sell 3@101
        D1 buy 2@101
          accepted D1 buy 2@101
        W state open
          open by W
          uncrossed 7@101
          B1 sells 4@101 to A1
          C1 sells 1@101 to A1
          D1 buys 2@101 from C1
    """)


def test_more_demand_at_all_prices_takes_the_highest() -> None:
    """If all of these have more demand than supply the highest, if all have less the lowest."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 5@103
          accepted A1 buy 5@103
        B1 sell 4@99
          accepted B1 sell 4@99
        W state open
          open by W
          uncrossed 4@103
          B1 sells 4@103 to A1
        A1 cancel
          cancelled A1 1 leaving 0: requested
        W state auction
          auction by W
        A2 buy 4@103
          accepted A2 buy 4@103
        B2 sell 5@99
          accepted B2 sell 5@99
        W state open
          open by W
          uncrossed 4@99
          B2 sells 4@99 to A2
    """)


def test_a_balanced_auction_stays_near_the_last_trade() -> None:
    """Else the nearest to the last trade's price, without one to the middle of them (rounded down)."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 5@104
          accepted A1 buy 5@104
        B1 sell 5@99
          accepted B1 sell 5@99
        W state open
          open by W
          uncrossed 5@101
          B1 sells 5@101 to A1
        W state auction
          auction by W
        A2 buy 5@110
          accepted A2 buy 5@110
        B2 sell 5@103
          accepted B2 sell 5@103
        W state halted
          halted by W
        W state post-only
          post-only by W
          uncrossed 5@103
          B2 sells 5@103 to A2
    """)


def test_hidden_lots_trade_in_an_auction() -> None:
    """Hidden quantity counts; after each fill the maker's slice is renewed if need be, then the taker's."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 4@100 show=2
          accepted A1 buy 4@100
          sliced A1 2+2
        B1 sell 4@100 show=2
          accepted B1 sell 4@100
          sliced B1 2+2
        C1 buy 1@100
          accepted C1 buy 1@100
        W state open
          open by W
          uncrossed 4@100
          B1 sells 2@100 to A1
          sliced A1 2+0
          sliced B1 2+0
          B1 sells 1@100 to C1
          B1 sells 1@100 to A1
        book
          bids: A1 1@100
    """)


def test_own_orders_do_not_meet_in_an_auction() -> None:
    """First, for each group, while its best bid is at or above its best offer, the later entered's mode decides.

    A new slice makes the iceberg the later one.
    """
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 4@101 show=1 mode=decrement
          accepted A1 buy 4@101
          sliced A1 1+3
        A2 sell 2@100 mode=decrement
          accepted A2 sell 2@100
        B1 sell 1@101
          accepted B1 sell 1@101
        W state open
          open by W
          cancelled A1 1 leaving 3: self-trade
          sliced A1 1+2
          cancelled A2 1 leaving 1: self-trade
          cancelled A2 1 leaving 0: self-trade
          cancelled A1 1 leaving 2: self-trade
          sliced A1 1+1
          uncrossed 1@101
          A1 buys 1@101 from B1
          sliced A1 1+0
    """)


def test_groups_uncross_in_order_of_their_owners() -> None:
    """For each group, by its owner's key: a member's group is its owner's."""
    obey("""
        at 1000
        C join A
          grouped C with A: 1
        A admit C
          grouped C with A: 3
        W state auction
          auction by W
        B1 buy 1@100
          accepted B1 buy 1@100
        B2 sell 1@100
          accepted B2 sell 1@100
        C1 buy 2@100
          accepted C1 buy 2@100
        A1 sell 2@100 mode=both
          accepted A1 sell 2@100
        W state cancel-only
          cancel-only by W
          cancelled C1 2 leaving 0: self-trade
          cancelled A1 2 leaving 0: self-trade
          cancelled B2 1 leaving 0: self-trade
        book
          bids: B1 1@100
    """)


def test_an_auctions_trades_trigger_stops() -> None:
    """Every trade triggers the waiting orders whose stop price it is at or beyond."""
    obey("""
        at 1000
        W state auction
          auction by W
        A1 buy 1@100
          accepted A1 buy 1@100
        B1 sell 1@100
          accepted B1 sell 1@100
        C1 sell 1@90 stop=100
          waits C1 sell 1@90 from 100
        W state open
          open by W
          uncrossed 1@100
          B1 sells 1@100 to A1
        end
          triggered C1 1@90
          cancelled C1 1 leaving 0: unfilled
    """)


def test_a_post_only_order_may_be_amended_across_in_an_auction() -> None:
    """Post-only order and the opposite best at the new price: never in an auction."""
    obey("""
        at 1000
        A1 buy 1@99 post
          accepted A1 buy 1@99
        B1 sell 1@100
          accepted B1 sell 1@100
        W state auction
          auction by W
        A1 amend 0@100
          amended A1 1@100 open 1
        W state open
          open by W
          uncrossed 1@100
          A1 buys 1@100 from B1
    """)


# -- rate -------------------------------------------------------------------------------------------------


def test_rate() -> None:
    """Places with a fresh id and amends but reduce-only ones are counted, refused ones too, per second."""
    obey(
        """
        at 1000
        A1 buy 3@100
          accepted A1 buy 3@100
        A1 buy 3@100
          rejected A1 place: id-reused
        void A2 buy 3@100
          rejected A2 place: op-expired
        A1 amend 2@ reduce
          amended A1 2@100 open 2
        A3 buy 3@0
          rejected A3 place: price-out-of-range
        A1 amend 1@
          rejected A1 amend: rate-limited
        A4 buy 1@100
          rejected A4 place: rate-limited
        A1 amend 1@ reduce
          amended A1 1@100 open 1
        B1 buy 1@100
          accepted B1 buy 1@100
        at 1999
        A5 buy 1@100
          rejected A5 place: rate-limited
        at 2000
        A6 buy 1@100
          accepted A6 buy 1@100
        """,
        max_commands_per_author_per_s=2,
    )


def test_rate_comes_before_the_state_and_after_the_id() -> None:
    """Above the author's rate comes after op-expired and before the pair's state; for amends it comes first."""
    obey(
        """
        at 1000
        W state halted
          halted by W
        A1 buy 1@100
          rejected A1 place: pair-halted
        A2 buy 1@100
          rejected A2 place: rate-limited
        A2 buy 1@100
          rejected A2 place: id-reused
        A1 amend 1@
          rejected A1 amend: rate-limited
        A1 cancel
          rejected A1 cancel: pair-halted
        """,
        max_commands_per_author_per_s=1,
    )


# -- leases -----------------------------------------------------------------------------------------------


def test_a_lease_ends_when_time_is_above_it() -> None:
    """When block time is above that, LeaseEnded, and all the author's orders are cancelled in order of entry."""
    obey("""
        at 1000
        A1 buy 1@100
          accepted A1 buy 1@100
        A2 buy 1@110 stop=105
          waits A2 buy 1@110 from 105
        A1 amend 0@99
          amended A1 1@99 open 1
        A lease 10
          leased A until 1010
        at 1010
        at 1011
          lease ended A
          cancelled A2 1 leaving 0: lease
          cancelled A1 1 leaving 0: lease
        at 1012
    """)


def test_a_lease_is_renewed_and_ended() -> None:
    """Block time + for_ms; 0 ends it, until 0; above the cap it is refused, and in a void op."""
    obey("""
        at 1000
        A lease 10
          leased A until 1010
        at 1005
        A lease 10
          leased A until 1015
        A lease 2592000001
          rejected A lease: invalid-combination
        void A lease 0
          rejected A lease: op-expired
        at 1011
        A lease 0
          leased A until 0
        at 1020
    """)


def test_lapses_and_leases_go_by_time() -> None:
    """GTD orders lapse and leases end, all by time, orders before leases at the same time."""
    obey("""
        at 1000
        A1 buy 1@100 gtd=1007
          accepted A1 buy 1@100
        A2 buy 1@100 gtd=1005
          accepted A2 buy 1@100
        B1 buy 1@100 gtd=1006
          accepted B1 buy 1@100
        A lease 5
          leased A until 1005
        at 1010
          expired A2 1
          lease ended A
          cancelled A1 1 leaving 0: lease
          expired B1 1
    """)


def test_freezing_ends_the_lease_without_an_event() -> None:
    """Freezing ends the author's lease without an event; waiting orders are cancelled too."""
    obey("""
        at 1000
        A1 buy 1@110 stop=105
          waits A1 buy 1@110 from 105
        A lease 5
          leased A until 1005
        freeze A
          frozen A
          cancelled A1 1 leaving 0: author-frozen
        at 1010
    """)


# -- groups -----------------------------------------------------------------------------------------------


def test_members_of_a_group_do_not_trade() -> None:
    """Orders of the members of one group do not trade with each other: the taker's mode decides."""
    obey("""
        at 1000
        A admit B
          grouped B with A: 2
        B join A
          grouped B with A: 3
        A1 sell 2@100
          accepted A1 sell 2@100
        C1 sell 2@100
          accepted C1 sell 2@100
        B1 buy 2@100 mode=maker
          accepted B1 buy 2@100
          cancelled A1 2 leaving 0: self-trade
          B1 buys 2@100 from C1
    """)


def test_nobody_is_drawn_into_a_group() -> None:
    """A member while both hold, so nobody can be drawn into a group."""
    obey("""
        at 1000
        A admit B
          grouped B with A: 2
        C join A
          grouped C with A: 1
        A1 sell 2@100
          accepted A1 sell 2@100
        B1 buy 1@100
          accepted B1 buy 1@100
          B1 buys 1@100 from A1
        C1 buy 1@100
          accepted C1 buy 1@100
          C1 buys 1@100 from A1
    """)


def test_leaving_and_expelling() -> None:
    """Joining another, nobody or oneself leaves; so does being admitted no more."""
    obey("""
        at 1000
        A admit B
          grouped B with A: 2
        B join A
          grouped B with A: 3
        A expel B
          grouped B with A: 1
        A admit B
          grouped B with A: 3
        B join B
          grouped B with nobody: 0
        B join A
          grouped B with A: 3
        B leave
          grouped B with nobody: 0
        A admit A
          rejected A admit: invalid-combination
        void A admit C
          rejected A admit: op-expired
        A1 sell 1@100
          accepted A1 sell 1@100
        B1 buy 1@100
          accepted B1 buy 1@100
          B1 buys 1@100 from A1
    """)


def test_two_members_of_one_owner() -> None:
    """Two members of a group do not trade with each other either."""
    obey("""
        at 1000
        A admit B
          grouped B with A: 2
        A admit C
          grouped C with A: 2
        B join A
          grouped B with A: 3
        C join A
          grouped C with A: 3
        B1 sell 1@100
          accepted B1 sell 1@100
        C1 buy 1@100
          accepted C1 buy 1@100
          cancelled C1 1 leaving 0: self-trade
        freeze C
          frozen C
        C2 buy 1@100 mode=maker
          accepted C2 buy 1@100
          cancelled B1 1 leaving 0: self-trade
    """)
