"""For tests of gossipbook and of programs that embed it: the oracle engine."""
