"""Two tasks drawn from fonts: writing systems (split by font) and pictograms (split by glyph)."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scripts.zoo.augment import jitter
from scripts.zoo.sources import SEED, Data, Pixels

NOTO = Path("/usr/share/fonts/truetype/noto")
EMOJI = NOTO / "NotoColorEmoji.ttf"
EMOJI_SIZE = 109  # the only size of its bitmaps
PER_CLASS_TRAIN, EVALUATION_ITEMS = 600, 1000

# Letters of ten writing systems, as ranges of code points.
SCRIPTS = {
    "Armenian": (0x0561, 0x0587),
    "Bengali": (0x0985, 0x09B9),
    "Devanagari": (0x0905, 0x0939),
    "Ethiopic": (0x1200, 0x1248),
    "Georgian": (0x10D0, 0x10F1),
    "Hebrew": (0x05D0, 0x05EB),
    "Khmer": (0x1780, 0x17A3),
    "Tamil": (0x0B85, 0x0BBA),
    "Telugu": (0x0C05, 0x0C3A),
    "Thai": (0x0E01, 0x0E2F),
}
TRAIN_FONTS = ("NotoSans{}-Regular.ttf", "NotoSans{}-Bold.ttf", "NotoSerif{}-Regular.ttf")
HELD_FONTS = ("NotoSerif{}-Bold.ttf",)

# Other writing systems, for the base only.
OTHER_SCRIPTS = {
    "Gujarati": (0x0A85, 0x0ABA),
    "Gurmukhi": (0x0A05, 0x0A3A),
    "Kannada": (0x0C85, 0x0CBA),
    "Lao": (0x0E81, 0x0EAF),
    "Malayalam": (0x0D05, 0x0D3A),
    "Myanmar": (0x1000, 0x1022),
    "Sinhala": (0x0D85, 0x0DC7),
    "Oriya": (0x0B05, 0x0B3A),
    "Syriac": (0x0710, 0x0730),
    "Thaana": (0x0780, 0x07A6),
    "NKo": (0x07CA, 0x07EB),
    "Samaritan": (0x0800, 0x0816),
    "Cherokee": (0x13A0, 0x13F5),
    "CanadianAboriginal": (0x1401, 0x1477),
    "Ogham": (0x1681, 0x169B),
    "Runic": (0x16A0, 0x16EB),
    "Tagalog": (0x1700, 0x1712),
    "Limbu": (0x1900, 0x191F),
    "TaiLe": (0x1950, 0x1975),
    "NewTaiLue": (0x1980, 0x19AC),
    "Buginese": (0x1A00, 0x1A17),
    "TaiTham": (0x1A20, 0x1A55),
    "Balinese": (0x1B05, 0x1B34),
    "Sundanese": (0x1B83, 0x1BA1),
    "Batak": (0x1BC0, 0x1BE6),
    "Lepcha": (0x1C00, 0x1C24),
    "OlChiki": (0x1C5A, 0x1C78),
    "Coptic": (0x2C80, 0x2CB2),
    "Tifinagh": (0x2D30, 0x2D67),
    "Glagolitic": (0x2C00, 0x2C2F),
    "Yi": (0xA000, 0xA060),
    "Lisu": (0xA4D0, 0xA4F8),
    "Vai": (0xA500, 0xA560),
    "Bamum": (0xA6A0, 0xA6E6),
    "Saurashtra": (0xA882, 0xA8B4),
    "KayahLi": (0xA90A, 0xA926),
    "Rejang": (0xA930, 0xA947),
    "Javanese": (0xA984, 0xA9B3),
    "Cham": (0xAA00, 0xAA29),
    "MeeteiMayek": (0xABC0, 0xABE3),
}

PICTOGRAMS = {
    "Cat face": "😺😸😹😻😼😽🙀😿😾🐱",
    "Clock": "🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛🕜🕝🕞🕟🕠🕡🕢🕣🕤🕥🕦🕧",
    "Book": "📕📖📗📘📙📓📔📒",
    "Heart": "💓💔💕💖💗💘💙💚💛💜💝💞🖤🤍🤎🧡",
    "Car": "🚗🚙🚕🚓🚔🚘🚖🚐🚑🚒🚚🚛",
    "Train": "🚂🚃🚄🚅🚆🚇🚈🚉🚊🚋🚝🚞",
    "Smiley": "😀😁😂😃😄😅😆😉😊😋😌😍😎😏😐😑😒😓😔😕😖😗😘😙😚😛😜😝😞😟😠😡",
    "Hand": "👆👇👈👉👊👋👌👍👎✊✋✌🤘🤙🤚🤛🤜🤞🤟🖐🖖",
    "Bird": "🐓🐔🐤🐥🐦🐧🐣🦃🦅🦆🦉🦢🦜🦚🦩",
    "Flower": "🌷🌸🌹🌺🌻🌼💐🥀💮",
    "Building": "🏠🏡🏢🏣🏤🏥🏦🏨🏩🏪🏫🏬🏭🏯🏰🕌🕍🏛",
    "Moon": "🌑🌒🌓🌔🌕🌖🌗🌘🌙🌛🌜",
}
HELD_GLYPHS = 3  # every third glyph of a class is held out


def scripts() -> Data:
    """Letters of ten writing systems; evaluation items are drawn from a bold serif font."""
    rng = np.random.default_rng(SEED)
    train = _letters(SCRIPTS, TRAIN_FONTS, PER_CLASS_TRAIN, rng)
    evaluation = _letters(SCRIPTS, HELD_FONTS, EVALUATION_ITEMS // len(SCRIPTS), rng)
    return Data(
        "scripts",
        "Scripts",
        tuple(SCRIPTS),
        train,
        evaluation,
        "Letters drawn from Noto Sans and Noto Serif, Debian package fonts-noto-core",
        "OFL-1.1",
        "another font: trained on Sans, Sans Bold and Serif, scored on Serif Bold",
    )


def other_scripts() -> tuple[Pixels, Pixels]:
    """Letters of forty other writing systems, for training the base only."""
    rng = np.random.default_rng(SEED + 1)
    return _letters(OTHER_SCRIPTS, TRAIN_FONTS, 150, rng)


def pictograms() -> Data:
    """Pictograms of things and animals; evaluation items are drawn from held-out glyphs."""
    rng = np.random.default_rng(SEED)
    train, held = [], []
    for index, glyphs in enumerate(PICTOGRAMS.values()):
        drawn = [_emoji(glyph) for glyph in glyphs]
        known = [g for i, g in enumerate(drawn) if i % HELD_GLYPHS != HELD_GLYPHS - 1]
        new = [g for i, g in enumerate(drawn) if i % HELD_GLYPHS == HELD_GLYPHS - 1]
        train.append(_jittered(known, PER_CLASS_TRAIN, index, rng))
        held.append(_jittered(new, -(-EVALUATION_ITEMS // len(PICTOGRAMS)), index, rng))
    pixels, labels = _shuffled(held, rng)
    glyphs = sum(len(g) // HELD_GLYPHS for g in PICTOGRAMS.values())
    return Data(
        "pictograms",
        "Pictograms",
        tuple(PICTOGRAMS),
        _shuffled(train, rng),
        (pixels[:EVALUATION_ITEMS], labels[:EVALUATION_ITEMS]),
        "Grey pictograms drawn from Noto Color Emoji, Debian package fonts-noto-color-emoji",
        "OFL-1.1",
        f"other glyphs: {glyphs} held-out pictograms, each drawn many times, shifted and turned; "
        "tuning and reporting half share them",
    )


def _letters(
    systems: dict[str, tuple[int, int]],
    fonts: tuple[str, ...],
    per_class: int,
    rng: np.random.Generator,
) -> tuple[Pixels, Pixels]:
    parts = []
    for index, (name, (first, last)) in enumerate(systems.items()):
        drawn = []
        for pattern in fonts:
            path = NOTO / pattern.format(name)
            if path.exists():
                font = ImageFont.truetype(str(path), 64)
                drawn += [g for c in range(first, last) if (g := _letter(font, chr(c))) is not None]
        parts.append(_jittered(drawn, per_class, index, rng))
    return _shuffled(parts, rng)


def _letter(font: ImageFont.FreeTypeFont, character: str) -> Image.Image | None:
    canvas = Image.new("L", (160, 160))
    ImageDraw.Draw(canvas).text((48, 32), character, font=font, fill=255)
    missing = Image.new("L", (160, 160))
    ImageDraw.Draw(missing).text((48, 32), "\U0010fffd", font=font, fill=255)
    if canvas.getbbox() is None or canvas.tobytes() == missing.tobytes():
        return None
    return canvas.crop(canvas.getbbox())


def _emoji(glyph: str) -> Image.Image:
    font = ImageFont.truetype(str(EMOJI), EMOJI_SIZE)
    canvas = Image.new("RGBA", (160, 160), (0, 0, 0, 255))
    ImageDraw.Draw(canvas).text((12, 12), glyph, font=font, embedded_color=True)
    grey = canvas.convert("L")
    return grey.crop(grey.getbbox())


def _jittered(
    glyphs: list[Image.Image], count: int, label: int, rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    """Draw each glyph about equally often, each time turned, scaled and shifted a little."""
    chosen = [glyphs[i % len(glyphs)] for i in range(count)]
    return np.stack([jitter(g, rng) for g in chosen]), np.full(count, label, np.uint8)


def _shuffled(
    parts: list[tuple[Pixels, Pixels]], rng: np.random.Generator
) -> tuple[Pixels, Pixels]:
    pixels = np.concatenate([p for p, _ in parts])
    labels = np.concatenate([c for _, c in parts])
    order = rng.permutation(len(pixels))
    return pixels[order], labels[order]
