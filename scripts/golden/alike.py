#!/usr/bin/env python3
"""alike.py A B [A B …]: checks that Pillow and OpenCV each decode A to about the same pixels as B.

Exit code 0: all pairs are alike; 1: some differ by more than encoders do that round in their own ways, or can't be read (says which).
Needs pillow and opencv-python-headless.
"""

import sys

import cv2
import numpy as np
from PIL import Image


# Root mean square, in levels.
MOST = 2.0


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
                difference = decode(one).astype(float) - decode(other)
                away = float(np.sqrt(np.mean(difference**2)))
                why = "" if away <= MOST else f"{away:.2f} levels apart"
            except (OSError, ValueError) as error:
                why = str(error)
            if why:
                print(f"{decode.__name__}: {one}, {other}: {why}", file=sys.stderr)
                failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
