"""Learning from captchas that nobody labelled: ``tilefleet models bootstrap``.

`scan` (captchas to words and signatures), `signatures` (what makes a tile known again), `groups`
(tiles that are the same picture), `cooccurrence` (words and groups to labels), `learner` (a network
that sees what repetition cannot tell), `dataset` and `sheets` (what is written), `run` (all of it,
step by step), `review` (doubtful labels before a person's eyes), `cache` (tiles seen before).
"""
