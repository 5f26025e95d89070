"""The program that draws a thumbnail; run as a sandboxed child by its path: it imports nothing of the project.

    drawer.py FRAME TARGET WORDS

The font is the one that Pillow brings (Aileron, CC0).
"""

import sys

from PIL import Image, ImageDraw, ImageFont, ImageOps

WIDTH, HEIGHT, MARGIN = 1280, 720, 64
LARGEST, SMALLEST, LINES = 120, 44, 3


def main(arguments: list[str]) -> int:
    """Draw it."""
    frame, target, words = arguments
    with Image.open(frame, formats=["JPEG", "PNG"]) as opened:
        picture = ImageOps.fit(opened.convert("RGB"), (WIDTH, HEIGHT))
    shade = Image.new("L", (1, HEIGHT))
    shade.putdata([max(0, min(200, (y - HEIGHT // 3) * 400 // HEIGHT)) for y in range(HEIGHT)])
    picture.paste((0, 0, 0), (0, 0), shade.resize((WIDTH, HEIGHT)))
    write(picture, " ".join(words.split()))
    picture.save(target, "JPEG", quality=88)
    return 0


def write(picture: Image.Image, words: str) -> None:
    """The words at the foot, as large as three lines allow; what does not fit then is left out."""
    draw = ImageDraw.Draw(picture)
    size = LARGEST
    while True:
        font = ImageFont.load_default(size)
        lines = wrapped(draw, font, words)
        fits = len(lines) <= LINES and all(draw.textlength(line, font) <= WIDTH - 2 * MARGIN for line in lines)
        if fits or size <= SMALLEST:
            break
        size -= 4
    text = "\n".join(lines[:LINES])
    box = draw.multiline_textbbox((0, 0), text, font, spacing=12)
    place = (MARGIN, HEIGHT - MARGIN - box[3])
    draw.multiline_text(place, text, "white", font, spacing=12, stroke_width=max(2, size // 24), stroke_fill="black")


def wrapped(draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, words: str) -> list[str]:
    """The words in lines that fit, but for one that is too long alone."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and draw.textlength(longer, font) <= WIDTH - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
