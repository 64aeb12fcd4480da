"""Looks at a running fleet: workers, queues, health. May import `client` and `terminal`."""
