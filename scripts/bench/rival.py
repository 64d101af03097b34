#!/usr/bin/env python3
"""Runs a library for comparison in a separate, warm process: one task per line of standard input, as JSON.

    rival.py opencv|libvips THREADS

`{"do": "file", "from": PATH, "to": PATH, "options": {…}}` equalizes a file, each channel by itself;
`{"do": "decode", "from": PATH}` only reads it; `{"do": "memory", "from": NPY}` equalizes an array that was loaded before.
Each is answered by seconds and seconds of processor time. `rival.py … JSON` does one and ends, to see its memory.
"""

import json
import os
import sys
import time


class OpenCV:
    def __init__(self, threads):
        import cv2

        self.cv2 = cv2
        cv2.setNumThreads(threads)
        self.version = cv2.__version__

    def equalized(self, image):
        if image.dtype != "uint8":
            raise ValueError("OpenCV's equalizeHist takes 8 bits only")
        if image.ndim == 2:
            return self.cv2.equalizeHist(image)
        return self.cv2.merge([self.cv2.equalizeHist(channel) for channel in self.cv2.split(image)])

    def file(self, source, target, options):
        image = self.cv2.imread(source, self.cv2.IMREAD_UNCHANGED)
        flags = [number for name, value in options.items() for number in (getattr(self.cv2, name), value)]
        assert self.cv2.imwrite(target, self.equalized(image), flags)

    def decode(self, source):
        assert self.cv2.imread(source, self.cv2.IMREAD_UNCHANGED) is not None


class Libvips:
    def __init__(self, threads):
        os.environ["VIPS_CONCURRENCY"] = str(threads)
        import pyvips

        self.pyvips = pyvips
        self.version = ".".join(str(pyvips.version(part)) for part in range(3))
        # Each run must read the file again.
        pyvips.cache_set_max(0)

    def file(self, source, target, options):
        self.pyvips.Image.new_from_file(source).hist_equal().write_to_file(target, **options)

    def decode(self, source):
        self.pyvips.Image.new_from_file(source, access="sequential").copy_memory()

    def memory(self, array):
        height, width = array.shape
        image = self.pyvips.Image.new_from_memory(array.data, width, height, 1, "uchar")
        image.hist_equal().write_to_memory()


def load(path):
    import numpy as np

    return np.load(path)


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    rival = {"opencv": OpenCV, "libvips": Libvips}[name](threads)
    arrays = {}

    def run(task):
        if task["do"] == "memory":
            array = arrays.setdefault(task["from"], None)
            if array is None:
                array = arrays[task["from"]] = load(task["from"])
            return lambda: rival.memory(array)
        if task["do"] == "file":
            return lambda: rival.file(task["from"], task["to"], task["options"])
        return lambda: rival.decode(task["from"])

    if len(sys.argv) > 3:
        return run(json.loads(sys.argv[3]))()
    print(rival.version, flush=True)
    for line in sys.stdin:
        work = run(json.loads(line))
        began, cpu_began = time.perf_counter(), time.process_time()
        work()
        print(time.perf_counter() - began, time.process_time() - cpu_began, flush=True)


if __name__ == "__main__":
    main()
