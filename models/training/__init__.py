"""Making weights: a loop, and what each network learns from. May import `evaluation` and below."""
