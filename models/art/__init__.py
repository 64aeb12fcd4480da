"""Draws captchas: headers from fonts, whole captchas from any folder of tile pictures.

`fonts` (characters to masks), `header` (words to a strip), `strips` (many of them), `pictures`
(tiles), `captcha` (all of it, with known answers), `build` (how the fonts and tile pictures beside
this file were made).
"""
