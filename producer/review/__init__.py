"""A local page to confirm or correct doubtful labels: ``tilefleet models review DATASET``.

May import `models`.
"""

from producer.review.app import make, serve

__all__ = ["make", "serve"]
