"""``python -m gossipbook`` is the ``gossipbook`` command."""

from gossipbook.cli import main

main()
