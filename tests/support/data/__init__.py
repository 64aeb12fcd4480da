"""What tests read: small folders to learn from, files of old networks."""
