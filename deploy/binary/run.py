"""Where the one-file executable begins."""

from gossipbook.cli import main

main()
