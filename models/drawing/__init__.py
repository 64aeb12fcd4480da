"""Draws captchas with known answers: headers from fonts, tiles from pictures.

May import `recognition`.

`fonts` (characters to masks), `header` (words to a strip), `strips` (many of them), `tiles`
(pictures for them, altered by `alter`), `captchas` (all of it), `collection` (a whole collection),
`build` (how the fonts and tile pictures beside this file were made).
"""
