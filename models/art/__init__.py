"""Draws captchas: headers from fonts, whole captchas from any folder of tile pictures.

`fonts` (characters to masks), `header` (words to strips), `captcha` (strips and tiles to captchas
with known answers), `build` (how the fonts and tile pictures beside this file were made).
"""
