"""The Celery application: ``celery -A tilefleet worker`` and ``celery -A tilefleet flower``."""

from worker import app

__all__ = ["app"]
