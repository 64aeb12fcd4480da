"""A local page to confirm or correct doubtful labels: ``tilefleet models review DATASET``."""

from producer.review.app import make, serve

__all__ = ["make", "serve"]
