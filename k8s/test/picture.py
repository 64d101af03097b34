"""An image made of numbers."""

import struct


def gray_tiff(width, height):
    """A gray 8-bit TIFF, little-endian, in strips of 64 rows: a gradient with structure in it."""
    rows = 64
    strips = -(-height // rows)
    offset = 8
    counts = [min(rows, height - at * rows) * width for at in range(strips)]
    data_end = offset + sum(counts)
    offsets = [offset + sum(counts[:at]) for at in range(strips)]
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, strips, data_end),
            (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, strips, data_end + 4 * strips)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    pattern = bytes((x * 90 // width + (x * x // 977) % 17) % 120 for x in range(width))
    shades = [bytes((value + shade) % 256 for value in range(256)) for shade in range(0, 128, 4)]
    pixels = b"".join(pattern.translate(shades[y * len(shades) // height]) for y in range(height))
    lists = struct.pack(f"<{strips}I", *offsets) + struct.pack(f"<{strips}I", *counts)
    return struct.pack("<2sHI", b"II", 42, data_end + len(lists)) + pixels + lists + directory
