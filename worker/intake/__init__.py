"""Messages to requests: Celery's checks and ours. May import `results` and `transport`."""
