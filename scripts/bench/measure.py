"""Measures contenders in alternating rounds, and summarizes the results."""

import dataclasses
import os
import statistics
import subprocess
import time


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one run, in seconds; `cpu` is summed over threads."""

    wall: float
    cpu: float


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def interleave(contenders, rounds, warm_ups=1):
    """Runs every contender (name → function that returns a Cost) once per round, A B C A B C …, so that other load on the machine
    affects all of them. Returns name → costs, without the first rounds, which warm caches."""
    costs = {name: [] for name in contenders}
    for number in range(warm_ups + rounds):
        for name, run in contenders.items():
            cost = run()
            if number >= warm_ups:
                costs[name].append(cost)
    return costs


def summary(costs, ours):
    """Returns each contender's times, and the ratio theirs / ours of each round: above 1, ours is faster."""
    result = {}
    for name, runs in costs.items():
        entry = {clock: spread([getattr(run, clock) for run in runs]) for clock in ("wall", "cpu")}
        if name != ours:
            for clock in ("wall", "cpu"):
                pairs = zip(runs, costs[ours], strict=True)
                entry[f"{clock}_ratio"] = spread(
                    [getattr(theirs, clock) / max(getattr(mine, clock), 1e-9) for theirs, mine in pairs]
                )
        result[name] = entry
    return result


def run_process(arguments, environment=None):
    """Measures a process from its start to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, arguments)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments[0]} failed: {words.decode(errors='replace').strip()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def peak_memory(arguments, environment=None):
    """Returns the peak resident memory of a process in bytes. Measured by GNU time, since a child of this large process would seem as large."""
    command = ["/usr/bin/time", "-f", "peak %M", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **(environment or {})})
    return int(done.stderr.rsplit("peak ", 1)[1]) * 1024


def cpu_of(pid):
    """Returns the CPU seconds that a process has used, summed over threads."""
    # Computed as clock_getcpuclockid(3) does on Linux.
    return time.clock_gettime((~pid << 3) | 2)


def peak_of(pid):
    """Returns VmHWM of a process, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def fsync_latency(folder, rounds=30):
    """Returns the median seconds to write 4 KiB to a new file and fsync it."""
    times = []
    for number in range(rounds):
        path = folder / f"fsync-{number}"
        began = time.perf_counter()
        with open(path, "wb", buffering=0) as file:
            file.write(bytes(4096))
            os.fsync(file.fileno())
        times.append(time.perf_counter() - began)
        path.unlink()
    return statistics.median(times)
