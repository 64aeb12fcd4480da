"""Load on a running fleet: ``tilefleet bench``. May import `client`, `monitoring`, `terminal`."""
