"""The page docs/benchmarks.md: tables of measurements, followed by hand-written text, which is kept."""

MARK = "<!-- From here on the page is written by hand; `make bench` keeps it. -->"


def ms(seconds):
    return f"{1e3 * seconds:.3g}" if seconds < 0.01 else f"{1e3 * seconds:,.0f}"


def ratio(of):
    return f"{of['min']:.2f} / **{of['median']:.2f}** / {of['max']:.2f}"


def mib(count):
    return f"{count / (1 << 20):,.0f}"


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "|" + "|".join("---" if number == 0 else "---:" for number in range(len(header))) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def kernels(entries):
    yield "## Memory to memory"
    yield ""
    yield (
        "75 megapixels (RGB: 19), the same pixels for both, into memory that is already mapped (libvips always allocates new memory). Times "
        "in ms, the median of the rounds; ratio: theirs / ours of each round, least / **median** / greatest. While other programs run, the "
        "ratio of processor time is the more reliable one."
    )
    yield ""
    header = ["what", "beside", "threads", "theirs", "ours", "gigapixels/s", "ratio", "ratio of processor time"]
    yield from table(
        header,
        [
            [
                entry["what"],
                entry["whose"],
                str(entry["threads"]),
                f"{entry['wall']['theirs_ms']['median']:.1f}",
                f"{entry['wall']['ours_ms']['median']:.1f}",
                f"{entry['wall']['gigapixels_per_second']:.2f}",
                ratio(entry["wall"]["ratio"]),
                ratio(entry["cpu"]["ratio"]),
            ]
            for entry in entries
        ],
    )


def files(entries):
    yield "## File to file"
    yield ""
    yield (
        "Files in a tmpfs, two threads for everyone, each channel equalized separately (what all of them can do). Evenlight is "
        "`evenlight equalize --color channels`, from the start of its process to its end; libvips (`hist_equal`) and OpenCV (`imread`, `equalizeHist` "
        "of each channel, `imwrite`) run warm in a long-lived process, so their start isn't counted; ImageMagick (`convert -channel RGB "
        "-equalize`) is started each time and ran once. PNG: zlib level 6 unless stated; we choose filters for each row. JPEG: quality 85, 4:2:0. "
        "TIFF: no compression. Peak memory is that of a process that does it once; for the two libraries it includes Python's, "
        "about 40 MiB. OpenCV's `equalizeHist` doesn't take 16 bits."
    )
    yield ""
    for entry in entries:
        yield f"### {entry['title']}: {entry['input_bytes'] / 1e6:.1f} MB"
        yield ""
        header = ["", "ms", "CPU ms", "ratio", "ratio of processor time", "peak MiB", "output MB"]
        yield from table(header, [file_row(name, costs) for name, costs in entry["contenders"].items()])
        floor = entry["decode"]["Evenlight"]["wall"]["median"]
        ours = entry["contenders"]["Evenlight"]["wall"]["median"]
        times = ", ".join(f"{name} {ms(costs['wall']['median'])} ms" for name, costs in entry["decode"].items())
        yield f"Reading the file alone: {times}. Equalizing the file takes Evenlight {ours / floor:.1f} times as long as reading it on one core."
        yield ""


def file_row(name, costs):
    ratios = [ratio(costs[clock]) if clock in costs else "" for clock in ("wall_ratio", "cpu_ratio")]
    cells = [name, ms(costs["wall"]["median"]), ms(costs["cpu"]["median"]), *ratios]
    return [*cells, mib(costs["peak"]), f"{costs['bytes'] / 1e6:.1f}"]


PHASES = ("whole", "split", "histograms", "equalize", "stitch")


def arrays(found):
    yield "## Through the array"
    yield ""
    yield (
        "From the last byte uploaded until a client that polls every 2 ms sees `done`: the upload's end, the catalog, every task, the "
        "result; everything with fsync, on this machine's disk, all pods on its cores. Milliseconds, least / **median** / greatest; "
        "× is the array's processor time, upload and checksums included, as a multiple of that of `evenlight equalize` (median of pairs)."
    )
    yield ""
    names = list(found["arrays"][0]["images"])
    rows = []
    for name in names:
        rows.append([name, *[array_cell(array["images"][name]) for array in found["arrays"]]])
    rows.append(["small jobs a second", *[f"{array['small']['jobs_per_second']:.0f}" for array in found["arrays"]]])
    yield from table(["", *[array["title"] for array in found["arrays"]]], rows)
    yield (
        f"One write of ZooKeeper (`setData`, one server, sequential): {1e3 * found['zookeeper_write_s']:.2f} ms. "
        f"One fsync of 4 KiB to a new file on the disk: {1e3 * found['fsync_s']:.2f} ms. (Medians.) On ZooKeeper each pod is a process; embedded, "
        "all are threads of one."
    )
    yield ""
    yield "### Where the time goes, stage by stage"
    yield ""
    yield (
        "Milliseconds from a stage's first task to the end of its last, and in brackets the sum over its tasks (two run at a time, one per core): "
        "medians, from the timeline that a job keeps. A task's time includes reading, hashing, writing and syncing. The rest of the time "
        "above passes before the first task, between stages, and after the last one."
    )
    yield ""
    for array in found["arrays"]:
        if array["title"].startswith("5 "):
            yield from array_stages(array)


def array_stages(array):
    named = {name: image["stages"] for name, image in array["images"].items()}
    phases = [phase for phase in PHASES if any(phase in stages for stages in named.values())]

    def cell(stage):
        return f"{stage['ms']:.0f} ({stage['work_ms']:.0f})" if stage else ""

    rows = [[name, *[cell(stages.get(phase)) for phase in phases]] for name, stages in named.items()]
    yield from table([f"with {array['title']}", *phases], rows)


def array_cell(image):
    wall = image["array"]["wall"]
    cpu = 1 / image["one process"]["cpu_ratio"]["median"]
    return f"{ms(wall['min'])} / **{ms(wall['median'])}** / {ms(wall['max'])}, × {cpu:.2f}"


def gigapixel(found):
    yield "## Memory of a gigapixel"
    yield ""
    side = f"{found['side']:,}"
    peaks = " and ".join(mib(peak) for peak in found["pod_bytes"])
    yield (
        f"A gray TIFF of {side} × {side} ({found['side'] ** 2 / 1e9:.2f} gigapixels) through {found['pods']} pods, a process each, on ZooKeeper, the upload "
        f"included: {peaks} MiB at most (VmHWM), {found['seconds']:.1f} s from the last byte to `done`. `evenlight equalize` alone: {mib(found['alone_bytes'])} MiB."
    )
    yield ""


def page(results, before):
    """Returns the page's text; `before` is the existing page."""
    lines = ["# Benchmarks", ""]
    form = "Its short form" if results["short"] else "It"
    lines += [f"`make bench` generates this page, except for the part marked at its end. {form} measured, in one run, on:", ""]
    lines += [f"- {name}: {fact}" for name, fact in results["facts"].items()]
    lines += ["", "Contenders take turns, round by round (A B C A B C …), and ratios are those of a round, so other load on the machine affects all alike.", ""]
    parts = {"kernels": kernels, "files": files, "arrays": arrays, "gigapixel": gigapixel}
    for name, write in parts.items():
        if name in results:
            lines += write(results[name])
    _, _, written = before.partition(MARK)
    return "\n".join(lines) + MARK + (written or "\n")
