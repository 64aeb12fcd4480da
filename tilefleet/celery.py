"""The Celery application: ``celery -A tilefleet worker`` and ``celery -A tilefleet flower``."""

import sys

from tilefleet import in_the_way

if _hidden := in_the_way("worker"):
    # Celery would print a traceback around an error.
    sys.exit(f"tilefleet: {_hidden}")

from worker import app

__all__ = ["app"]
