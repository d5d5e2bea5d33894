"""Commands for node operators: make networks and keys, run peers, watch them."""
