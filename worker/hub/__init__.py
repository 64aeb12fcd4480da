"""What runs on Celery's event-loop thread (kombu's hub). May import `results`, `engine_room`.

`coordinator` takes requests in and hears what becomes of them, `inbox` has what other threads say,
`waker` wakes the hub for it, `conclusion` ends requests, `execution` has Celery do so where more is
asked for, `events` tells monitors.
"""
