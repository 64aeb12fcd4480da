"""What a captcha is, the networks that read one, the engines that run them, and the store.

Nothing here knows Celery or Redis. The light part, which a producer may import and which needs
only the standard library: `labels`, `geometry`, `errors`, `answer`, `settings`. Reading order for
the rest: `image` (bytes to pixels), `captcha` (pixels to header and tiles), `engines` (crops to
probabilities), `decision` (probabilities to an answer), `reader` (all of it in one call).
"""
