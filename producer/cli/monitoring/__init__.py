"""The commands that look at a running fleet: ``top``, ``health``, ``doctor``. May import all of
`producer`."""
