"""What stored networks show of pictures, for others to learn: their maps, and their answers.

May import `augment`, and what `training` may.
"""
