#!/usr/bin/env bash
# Bounds of a captcha's warp that are equal draw no warp.
#
# One would expect (written down before the run): `character_warp_dx = (0.3, 0.3)` warps every character by up to 30 % of its width, the most
#   that the default (0.1, 0.3) allows, as the two numbers are its least and its largest share.
# What happens: the share is `w * u * (b - a) + a` and not `w * (u * (b - a) + a)`. For a = b it is a pixels, 0.3, which round to 0: nothing is
#   warped. The default warps by 0 to 20 % of the width, not by 10 to 30 %.
# Seen: with equal bounds in both directions the images are, byte for byte, those without any warp; with (0.0, 0.3) they are not.
# Source: `ImageCaptcha._draw_character` in `captcha/image.py`, captcha 0.7.1. It draws by `secrets`, which the script gives a seed.
# Who is hurt: whoever sets how hard the images are, and trains or tests a reader on them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -qq captcha==0.7.1 pillow==13.0.0

"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import random
from importlib.metadata import version
from types import SimpleNamespace

from captcha import image


def drawn(low, high):
    draw = random.Random(0)
    image.secrets = SimpleNamespace(randbelow=draw.randrange, randbits=draw.getrandbits, choice=draw.choice)
    captcha = image.ImageCaptcha()
    captcha.character_warp_dx = captcha.character_warp_dy = (low, high)
    return [captcha.generate_image("2026").tobytes() for _ in range(20)]


print(f"captcha {version('captcha')}: of 20 images, how many are those without a warp")
none = drawn(0.0, 0.0)
for low, high, expected in ((0.3, 0.3, 20), (0.0, 0.3, 0), (0.1, 0.3, 0)):
    same = sum(one == other for one, other in zip(drawn(low, high), none))
    print(f"  bounds {low}, {high}: {same}")
    assert same == expected, "changed"
PYTHON
