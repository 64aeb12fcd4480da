"""What runs on Celery's event-loop thread (kombu's hub). May import `results`, `engine_room`."""
