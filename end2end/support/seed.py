"""Inserts copies of the existing image into a catalog, all finished and with the same bytes: seed.py catalog.sqlite NUMBER"""

import json
import sqlite3
import sys

path, number = sys.argv[1], int(sys.argv[2])
database = sqlite3.connect(path, timeout=60, isolation_level=None)
database.execute("BEGIN IMMEDIATE")
original, size, sha256, info = database.execute(
    "SELECT original, bytes, sha256, info FROM images WHERE state = 'accepted' LIMIT 1"
).fetchone()
trigger = "a_new_job_is_its_images_latest"
(made,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (trigger,)).fetchone()
# The rows get the values that it would write.
database.execute(f"DROP TRIGGER {trigger}")
recipe = json.dumps({"method": "global", "color": "luma"})
shapes = [(640, 427), (512, 512), (427, 640), (600, 800), (1600, 900), (300, 1000), (1000, 320)]


def header(n):
    width, height = shapes[n * 7919 % len(shapes)]
    return json.dumps({**json.loads(info), "width": width, "height": height})


database.executemany(
    "INSERT INTO images (id, upload, state, touched, name, name_key, first_job, first_recipe, original, bytes, sha256, info,"
    " pixels, created, latest_job, latest_state, latest_method)"
    " VALUES (?1, ?1, 'accepted', 0, ?2, lower(?2), ?1, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?1, 'done', 'global')",
    (
        (f"{n:032x}", f"Image {n}.png", recipe, original, size, sha256, header(n), 1_600_000_000_000 + n * 1_000)
        for n in range(1, number + 1)
    ),
)
database.executemany(
    "INSERT INTO jobs (id, image, recipe, pixels, state, runs, created, finished, result, result_bytes, result_sha256)"
    " VALUES (?1, ?1, ?2, 1, 'done', 1, 0, 1, ?3, ?4, ?5)",
    ((f"{n:032x}", recipe, original, size, sha256) for n in range(1, number + 1)),
)
database.execute(made)
database.execute("COMMIT")
database.execute("ANALYZE")
