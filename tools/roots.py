"""Root signs for Chromium: all of one width, and in smaller steps of height. Needs fonttools and brotli.

Chromium reserves for a root the width of the widest sign that the font has, and lets a sign that is too high
hang below its formula. ``python tools/roots.py SUBSET.woff2 book/_static/math.woff2`` scales the outlines.
"""

import sys

from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

HEIGHTS = (1188, 1400, 1700, 2100)  # STIX has 1188, 1855, 2371, 2892; above, parts


def scaled(font: TTFont, name: str, width: int, height: float, bottom: float) -> None:
    """The glyph at the width, its height times a factor."""
    across = width / font["hmtx"][name][0]
    pen = TTGlyphPen(None)
    font.getGlyphSet()[name].draw(TransformPen(pen, (across, 0, 0, height, 0, bottom * (1 - height))))
    font["glyf"][name] = pen.glyph()
    font["glyf"][name].recalcBounds(font["glyf"])
    font["hmtx"][name] = (width, font["glyf"][name].xMin)


def main(source: str, target: str) -> None:
    font = TTFont(source)
    signs = font["MATH"].table.MathVariants
    radical = font.getBestCmap()[ord("√")]
    sign = signs.VertGlyphConstruction[signs.VertGlyphCoverage.glyphs.index(radical)]
    width, bottom = font["hmtx"][radical][0], font["glyf"][radical].yMin
    for variant, height in zip(sign.MathGlyphVariantRecord[1:], HEIGHTS[1:], strict=True):
        scaled(font, variant.VariantGlyph, width, height / variant.AdvanceMeasurement, bottom)
        variant.AdvanceMeasurement = height
    for part in sign.GlyphAssembly.PartRecords:
        scaled(font, part.glyph, width, 1, bottom)
    font.save(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
