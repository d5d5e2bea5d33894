"""For tests of programs that embed gossipbook."""
