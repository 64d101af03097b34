"""Writes the golden file of colour profiles: colours with a profile, converted to sRGB by LittleCMS.

    colors.py

The profiles are written here, after ICC.1:2001-04: three matrices with curves (Display P3, Adobe RGB, ProPhoto RGB), a table
(RGB to Lab, as scanners have it) and two of gray. Of each, `server/tests/samples/made/colors.json` has its bytes, some
samples, and what Pillow's ImageCms (LittleCMS, perceptual intent) makes of them.
"""

import base64
import io
import json
import pathlib
import struct

from PIL import Image, ImageCms

WHITE = (0.9642, 1.0, 0.8249)
CURVE_STEPS = 1024


def s15(value):
    return struct.pack(">i", round(value * 65536))


def xyz(x, y, z):
    return b"XYZ " + bytes(4) + s15(x) + s15(y) + s15(z)


def gamma(value):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256)) + bytes(2)


def curve(function):
    steps = [round(65535 * function(i / (CURVE_STEPS - 1))) for i in range(CURVE_STEPS)]
    return b"curv" + bytes(4) + struct.pack(f">I{CURVE_STEPS}H", CURVE_STEPS, *steps)


def linear_of_srgb(v):
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def text(words):
    words = words.encode() + b"\0"
    return b"desc" + bytes(4) + struct.pack(">I", len(words)) + words + bytes(78)


def profile(kind, space, connection, tags):
    tags = {b"desc": text("of a test"), b"cprt": b"text" + bytes(4) + b"None\0", b"wtpt": xyz(*WHITE), **tags}
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", at + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    rest = struct.pack(">I", len(tags)) + table + data
    head = bytes(8) + struct.pack(">I", 0x02400000) + kind + space + connection
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(s15, WHITE))
    head += bytes(128 - len(head))
    return struct.pack(">I", 128 + len(rest)) + head[4:] + rest


def matrix(red, green, blue, tone):
    colorants = {b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue)}
    return profile(b"mntr", b"RGB ", b"XYZ ", {**colorants, b"rTRC": tone, b"gTRC": tone, b"bTRC": tone})


P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
PROPHOTO = ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491))


def table(steps=17):
    """Returns an Adobe RGB profile as a table to 16-bit Lab (lut16Type)."""

    def lab(rgb):
        linear = [value**2.2 for value in rgb]
        f = []
        for axis in range(3):
            share = sum(linear[c] * ADOBE[c][axis] for c in range(3)) / WHITE[axis]
            f.append(share ** (1 / 3) if share > 216 / 24389 else (24389 / 27 * share + 16) / 116)
        return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])

    identity = b"".join(s15(float(i % 4 == 0)) for i in range(9))
    out = b"mft2" + bytes(4) + bytes([3, 3, steps, 0]) + identity + struct.pack(">HH", 2, 2)
    out += struct.pack(">6H", *(0, 65535) * 3)
    for r in range(steps):
        for g in range(steps):
            for b in range(steps):
                lightness, a, b_ = lab([v / (steps - 1) for v in (r, g, b)])
                out += struct.pack(">3H", *(min(max(round(v), 0), 65535) for v in (lightness * 652.8, (a + 128) * 256, (b_ + 128) * 256)))
    out += struct.pack(">6H", *(0, 65535) * 3)
    return profile(b"scnr", b"RGB ", b"Lab ", {b"A2B0": out})


PROFILES = {
    "Display P3": matrix(*P3, curve(linear_of_srgb)),
    "Adobe RGB": matrix(*ADOBE, gamma(2.19921875)),
    "ProPhoto RGB": matrix(*PROPHOTO, gamma(1.8)),
    "a table": table(),
    "gray of gamma 1.8": profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": gamma(1.8)}),
    "gray as sRGB has it": profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve(linear_of_srgb)}),
}
LEVELS = (0, 30, 90, 140, 200, 255)
COLORS = [(r, g, b) for r in LEVELS for g in LEVELS for b in LEVELS]
GRAYS = [(level,) for level in range(0, 256, 5)]


def srgb(name, samples):
    gray = name.startswith("gray")
    image = Image.new("L" if gray else "RGB", (len(samples), 1))
    image.putdata([sample[0] if gray else sample for sample in samples])
    own = ImageCms.ImageCmsProfile(io.BytesIO(PROFILES[name]))
    shown = ImageCms.profileToProfile(image, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return [pixel[: len(samples[0])] for pixel in shown.get_flattened_data()]


def main():
    golden = []
    for name, own in PROFILES.items():
        samples = GRAYS if name.startswith("gray") else COLORS
        golden.append({
            "name": name,
            "profile": base64.b64encode(own).decode(),
            "from": [value for sample in samples for value in sample],
            "to": [value for sample in srgb(name, samples) for value in sample],
        })
    place = pathlib.Path(__file__).parents[2] / "server/tests/samples/made/colors.json"
    place.write_text("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in golden) + "\n]\n")


if __name__ == "__main__":
    main()
