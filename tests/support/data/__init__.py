"""What tests read: small folders to learn from, models, files of old networks, messages
that are no task."""
