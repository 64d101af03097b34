"""Makes PNG and WebP files with defects that other programs tolerate, or don't, and `expected.json`: what those programs read.

The files are written by hand, chunk by chunk; `p_*.png` are from elsewhere and stay as they are. For each file and program,
`expected.json` has the hash of the pixels (rows × columns × channels; 16 bits in little-endian order), or null if it refuses.
"""
import hashlib, io, json, pathlib, struct, zlib
import cv2, numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
files = {}

# PNG: 40 × 30 gray pixels.
gray = (np.arange(30 * 40).reshape(30, 40) * 7 % 251).astype(np.uint8)


def chunk(kind, data=b"", crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(*chunks, bits=8, color=0, size=(40, 30), interlaced=0):
    header = struct.pack(">IIBBBBB", *size, bits, color, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks)


def rows(pixels):
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def frame_control(number, size=(40, 30)):
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, 0, 0, 1, 10, 0, 0))


data = zlib.compress(rows(gray))
idat, iend = chunk(b"IDAT", data), chunk(b"IEND")
text = b"Comment\0as it was"
palette = chunk(b"PLTE", bytes(range(0, 252, 7)) + bytes(range(36)) + bytes(36))
indices = chunk(b"IDAT", zlib.compress(rows(gray % 36)))
frames = [chunk(b"acTL", struct.pack(">II", 2, 0)), chunk(b"fdAT", struct.pack(">I", 2) + data)]
files |= {
    "crc_text.png": png(chunk(b"tEXt", text, 1), idat, iend),
    "crc_text_after.png": png(idat, chunk(b"tEXt", text, 1), iend),
    "crc_gama.png": png(chunk(b"gAMA", b"\0\0\xb1\x8f", 1), idat, iend),
    "crc_trns.png": png(chunk(b"tRNS", b"\0\x07", 1), idat, iend),
    "crc_trns_palette.png": png(palette, chunk(b"tRNS", b"\0\x80", 1), indices, iend, color=3),
    "crc_plte.png": png(palette[:-1] + b"\0", indices, iend, color=3),
    "crc_exif.png": png(chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 1), idat, iend),
    "length_phys.png": png(chunk(b"pHYs", bytes(8)), idat, iend),
    "length_trns.png": png(chunk(b"tRNS", b"\x07"), idat, iend),
    "length_past_end.png": png(idat, struct.pack(">I", 1000) + b"tEXt" + text),
    "length_past_end_front.png": png(struct.pack(">I", 100_000) + b"tEXt" + text, idat, iend),
    "trns_after.png": png(idat, chunk(b"tRNS", b"\0\x07"), iend),
    "iend_missing.png": png(idat),
    "iend_cut.png": png(idat, iend)[:-3],
    "iend_crc.png": png(idat, chunk(b"IEND", crc=5)),
    "iend_long.png": png(idat, chunk(b"IEND", b"abc")),
    "iend_missing_rows_too.png": png(chunk(b"IDAT", data[: len(data) // 2])),
    "iend_missing_wide.png": png(chunk(b"IDAT", zlib.compress(rows(gray.astype(">u2") * 257))), bits=16),
    "rows_missing.png": png(chunk(b"IDAT", zlib.compress(rows(gray[:20]))), iend),
    "idat_crc.png": png(chunk(b"IDAT", data, 1), iend),
    "idat_cut.png": png(idat)[:-30],
    "idat_cut_in_crc.png": png(idat)[:-2],
    "idat_in_two_runs.png": png(chunk(b"IDAT", data[:100]), chunk(b"tEXt", text), chunk(b"IDAT", data[100:]), iend),
    "idat_again.png": png(idat, chunk(b"tEXt", text), chunk(b"IDAT", b"abc"), iend),
    "garbage_after_idat.png": png(idat, b"\xff\0\xff\0garbage"),
    "bytes_after_iend.png": png(idat, iend) + b"and more",
    "apng_first.png": png(frames[0], frame_control(0), idat, frame_control(1), frames[1], iend),
    "apng_apart.png": png(frames[0], idat, frame_control(0), chunk(b"fdAT", struct.pack(">I", 1) + data), iend),
    "apng_bad_control.png": png(chunk(b"acTL", b"\0"), frame_control(9, (90, 90)), idat, frame_control(3), frames[1], iend),
}

# WebP: 40 × 30 pixels by libwebp, in containers by hand.
rgb = (np.add.outer(np.arange(30) * 5, np.arange(40) * 4)[..., None] + np.array([0, 20, 40])).astype(np.uint8)
rgba = np.dstack([rgb, np.add.outer(np.arange(30) * 8, np.arange(40)).astype(np.uint8)])


def libwebp(pixels, **how):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", **how)
    return file.getvalue()


def parts(file):
    """The chunks of a file but VP8X."""
    at, found = 12, b""
    while at + 8 <= len(file):
        length = struct.unpack("<I", file[at + 4 : at + 8])[0]
        end = at + 8 + length + length % 2
        found, at = found + (b"" if file[at : at + 4] == b"VP8X" else file[at:end]), end
    return found


def riff(*chunks):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def piece(kind, data):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def three(number):
    return struct.pack("<I", number)[:3]


def extended(flags):
    return piece(b"VP8X", struct.pack("<I", flags) + three(39) + three(29))


def frame(image, flags=0, at=(0, 0), size=(40, 30)):
    place = three(at[0] // 2) + three(at[1] // 2) + three(size[0] - 1) + three(size[1] - 1)
    return piece(b"ANMF", place + three(100) + bytes([flags]) + image)


exact, lossy = parts(libwebp(rgb, lossless=True)), parts(libwebp(rgb, quality=80))
small = parts(libwebp(rgb[:10, :14], lossless=True))
alpha, lossy_alpha = parts(libwebp(rgba, lossless=True, exact=True)), parts(libwebp(rgba, quality=80))
looped = piece(b"ANIM", bytes([10, 20, 30, 255, 0, 0]))
last = frame(lossy)
files |= {
    "exif_promised.webp": riff(extended(8), exact),
    "xmp_promised.webp": riff(extended(4), exact),
    "icc_promised.webp": riff(extended(32), exact),
    "chunks_unknown.webp": riff(extended(0), piece(b"ABCD", b"xyz"), exact, piece(b"EFGH", b"1")),
    "chunk_after_simple.webp": riff(exact, piece(b"EFGH", b"1")),
    "bytes_after_end.webp": riff(exact) + b"ABCD" + struct.pack("<I", 100) + b"abc",
    "animated.webp": riff(extended(2), looped, frame(exact), last),
    "animated_lossy.webp": riff(extended(2), looped, frame(lossy), frame(exact)),
    "animated_small.webp": riff(extended(2), looped, frame(small, at=(6, 4), size=(14, 10)), last),
    "animated_small_alpha.webp": riff(extended(18), looped, frame(small, at=(6, 4), size=(14, 10)), last),
    "animated_alpha.webp": riff(extended(18), looped, frame(alpha), last),
    "animated_alpha_replaced.webp": riff(extended(18), looped, frame(alpha, flags=2), last),
    "animated_alpha_lossy.webp": riff(extended(18), looped, frame(lossy_alpha), last),
    "lossy.webp": riff(extended(0), lossy),
    "lossy_alpha.webp": riff(extended(16), lossy_alpha),
    "animated_once.webp": riff(extended(2), looped, frame(exact)),
    "animated_cut.webp": riff(extended(2), looped, frame(exact), last)[:-60],
    "animated_without_anim.webp": riff(extended(2), frame(exact)),
}


def pillow(path):
    try:
        with Image.open(path) as image:
            return np.array(image)
    except Exception:
        return None


def opencv(path):
    """By libpng and libwebp."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def digest(pixels):
    return None if pixels is None else hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()


for name, file in files.items():
    (here / name).write_bytes(file)
expected = {}
for path in sorted(here.iterdir()):
    if path.suffix in (".png", ".webp"):
        expected[path.name] = {"pillow": digest(pillow(path)), "opencv": digest(opencv(path))}
(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
