#!/usr/bin/env python3
"""same.py A B [A B …]: do Pillow and OpenCV each decode A to the same pixels as B?

Exit code 0: all pairs are the same; 1: some differ, or can't be read (says which).
Needs pillow and opencv-python-headless.
"""

import sys

import cv2
import numpy as np
from PIL import Image


def by_pillow(path):
    with Image.open(path) as image:
        return np.asarray(image)


def by_opencv(path):
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("it can't be read")
    return image


def main(paths):
    failed = 0
    for one, other in zip(paths[::2], paths[1::2], strict=True):
        for decode in by_pillow, by_opencv:
            try:
                same = np.array_equal(decode(one), decode(other))
                why = "" if same else "they differ"
            except (OSError, ValueError) as error:
                why = str(error)
            if why:
                print(f"{decode.__name__}: {one}, {other}: {why}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
