"""Scripts that print one table each, with their caveats: ``python -m benchmarks.queue --help``."""
