"""Words and groups to labels, by how often they occur together. May import `recognition` only."""
