"""How fonts/ and tiles/ were made, from Debian's packages of openly licensed fonts.

apt-get install fonts-noto-cjk fonts-noto-color-emoji
pip install fonttools
python -m models.drawing.build
"""

import string
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTCollection
from PIL import Image, ImageDraw, ImageFont

from models.drawing.fonts import FOLDER, PROMPT
from tilefleet.kind import BUILTIN

_TILE = BUILTIN.layout.tile[0]
_SYSTEM = Path("/usr/share/fonts")
_NOTO_CJK = _SYSTEM / "opentype" / "noto"
_NOTO_EMOJI = _SYSTEM / "truetype" / "noto" / "NotoColorEmoji.ttf"
#: The only size that this bitmap font has, pixels.
_EMOJI_SIZE = 109

#: Labels that a pictograph really fits.
EMOJI = {
    "调色板": "🎨", "毛线": "🧶", "老虎": "🐯🐅", "安全帽": "⛑", "盘子": "🍽", "本子": "📓📒",
    "药片": "💊", "红酒": "🍷", "红豆": "🫘", "烛台": "🕎", "钟表": "⏰⌚", "沙拉": "🥗",
    "公交卡": "💳", "樱桃": "🍒", "创可贴": "🩹", "牌坊": "⛩", "电线": "🔌", "风铃": "🎐",
    "锅铲": "🍳", "航母": "🚢", "鞭炮": "🧨", "菠萝": "🍍", "篮球": "🏀", "狮子": "🦁",
    "蚂蚁": "🐜", "蜡烛": "🕯", "茶盅": "🍵", "啤酒": "🍺🍻", "档案袋": "📁", "挂钟": "🕒🕰",
    "铃铛": "🔔", "手掌印": "✋🖐", "锦旗": "🚩", "辣椒酱": "🌶", "中国结": "🪢", "蜥蜴": "🦎",
    "珊瑚": "🪸", "雨靴": "👢", "薯条": "🍟", "蜜蜂": "🐝", "日历": "📅📆",
}  # fmt: skip


def build_fonts() -> None:
    """Two faces with the characters that captchas need, under names of their own."""
    characters = "".join(sorted({*"".join((*BUILTIN.labels, *PROMPT)), *string.printable.strip()}))
    for style in ("Sans", "Serif"):
        collection = TTCollection(_NOTO_CJK / f"Noto{style}CJK-Bold.ttc")
        font = next(face for face in collection if face["name"].getDebugName(1).endswith(" CJK SC"))
        options = subset.Options(layout_features=[], name_IDs=[0, 13, 14], desubroutinize=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=characters)
        subsetter.subset(font)
        family = f"Tilefleet {style}"
        for number, text in ((1, family), (2, "Bold"), (4, family), (6, family.replace(" ", ""))):
            font["name"].setName(text, number, 3, 1, 0x409)
        font.save(FOLDER / f"Tilefleet{style}-Bold.otf")


def build_tiles() -> None:
    """A picture of each emoji: LL_KK.png, LL the label's index, KK from 01; RGBA."""
    font = ImageFont.truetype(_NOTO_EMOJI, _EMOJI_SIZE)
    for label, emoji in EMOJI.items():
        for number, text in enumerate(emoji, start=1):
            image = Image.new("RGBA", (180, 180))
            ImageDraw.Draw(image).text((20, 20), text, font=font, embedded_color=True)
            box = image.getbbox()
            assert box is not None, f"no glyph for {text}"
            glyph = image.crop(box)
            glyph.thumbnail((_TILE - 7, _TILE - 7), Image.Resampling.LANCZOS)
            tile = Image.new("RGBA", (_TILE, _TILE))
            tile.alpha_composite(glyph, ((_TILE - glyph.width) // 2, (_TILE - glyph.height) // 2))
            tile.save(
                FOLDER.parent / "tiles" / f"{BUILTIN.index[label]:02d}_{number:02d}.png",
                optimize=True,
            )


if __name__ == "__main__":
    build_fonts()
    build_tiles()
