"""The command line: ``tilefleet``, a file for each command. May import all of `producer`.

Each file has a command's options, and imports what the command needs when it runs: ``tilefleet
--help`` loads no network, no Celery and no redis-py.
"""

from producer.cli.main import main

__all__ = ["main"]
