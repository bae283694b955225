"""A picture as Pillow reads it, its short side resized to a size by its bicubic filter, the middle cut out: bytes of RGB."""

import json
import sys

from PIL import Image, ImageOps

asked = json.load(sys.stdin)
size = asked["size"]
picture = ImageOps.exif_transpose(Image.open(asked["file"])).convert("RGB")
short = min(picture.size)
width, height = (size if side == short else int(size * side / short) for side in picture.size)
picture = picture.resize((width, height), Image.Resampling.BICUBIC)
left, top = round((width - size) / 2), round((height - size) / 2)
sys.stdout.buffer.write(picture.crop((left, top, left + size, top + size)).tobytes())
