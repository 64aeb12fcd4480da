"""What a sender can do to the others: ``python -m benchmarks.attack --help``."""
