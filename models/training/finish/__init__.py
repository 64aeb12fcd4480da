"""What a trained pair needs before it reads: temperatures, a sharpness, its LiteRT files.

May import `evaluation` and below.
"""
