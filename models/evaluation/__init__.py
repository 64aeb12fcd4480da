"""How well a model reads. May import `engines`, `datasets` and `drawing`."""
