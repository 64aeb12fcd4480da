"""The command line: ``tilefleet``, a file for each command. May import all of `producer`.

Each file has a command's options, and imports what the command needs when it runs: ``tilefleet
--help`` loads no network, no Celery and no redis-py.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036, somebody runs it with an older one
    # Before anything that an older one cannot even read.
    sys.exit(
        f"tilefleet: this is Python {sys.version.split()[0]}, and 3.11, 3.12 or 3.13 is needed: "
        "install one, then python3.12 -m venv .venv, and pip install in that"
    )

from producer.cli.main import main

__all__ = ["main"]
