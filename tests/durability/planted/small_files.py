"""A peer whose files may not grow beyond so many bytes, which is what a full disk looks like to it."""

import os
import resource

from gossipbook.cli import main

limit = int(os.environ["FILE_BYTES_CAP"])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
main()
