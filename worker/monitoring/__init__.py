"""Signs of life and figures of a worker. May import `hub` and below."""
