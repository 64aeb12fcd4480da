"""Making weights: one loop, and for each network the pictures that it learns from."""
