"""``python -m producer.cli``, the same as ``tilefleet``."""

from producer.cli import main

main()
