#!/usr/bin/env python3
"""compare.py ORIGINAL RESULT: checks that the pixels of RESULT equal OpenCV's equalizeHist of ORIGINAL.

Both are image files that OpenCV reads; ORIGINAL must be 8-bit gray, without alpha.
Exit code 0: equal; 1: different (says where first); 2: can't be compared.
Needs opencv-python-headless.
"""

import os
import sys

# By default OpenCV refuses images above 2³⁰ pixels; the limit has to be set before it is loaded.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 40))

import cv2  # noqa: E402
import numpy as np  # noqa: E402


def read_gray(path):
    """Returns the pixels as stored, without conversion or rotation."""
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path}: OpenCV can't read it")
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"{path}: expected 8-bit gray, got {image.dtype} of shape {image.shape}")
    return image


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        original, result = map(read_gray, arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if original.shape != result.shape:
        print(f"different sizes: {original.shape} and {result.shape}", file=sys.stderr)
        return 1
    expected = cv2.equalizeHist(original)
    different = np.argwhere(expected != result)
    if len(different):
        row, column = different[0]
        print(
            f"{len(different)} pixels differ, the first at row {row}, column {column}: "
            f"expected {expected[row, column]}, got {result[row, column]}",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
