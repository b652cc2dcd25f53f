"""Compare the emulated NPU with XLA:CPU: the same jitted functions, alternately, in one process.

    python benchmarks/run.py [--filter REGEX] [--rounds 9] [--json FILE] [--markdown docs/benchmarks.md]

A ratio is the device's time divided by XLA:CPU's in the same round, so that whatever else the machine
does weighs on both; the median of the rounds is given, with its quartiles. Below 1 the device is faster.
Compilations alternate as well, after one of each that is not counted: it pays for what a process does once
(importing the compiler, starting LLVM), which is printed first.
"""

import argparse
import json
import re
import statistics
import sys
import time
from pathlib import Path

import jax
from workloads import WORKLOADS

SHORTEST = 0.02  # seconds a sample lasts at least: fast functions are called several times
COMPILATIONS = 5  # alternately, or as many as fit COMPILING
COMPILING = 2.0  # seconds


def compile_for(device, function, arguments):
    """Return the compiled function, its arguments on the device, and the seconds that compiling took."""
    placed = jax.device_put(arguments, device)
    jax.block_until_ready(placed)
    lowered = jax.jit(lambda *a: function(*a)).trace(*placed).lower()  # a new function: nothing is remembered
    start = time.perf_counter()
    compiled = lowered.compile()
    return compiled, placed, time.perf_counter() - start


def compile_alternately(devices, function, arguments):
    """Return (compiled, arguments) per device, and the seconds of each compilation, in rounds."""
    seconds, start = [], time.perf_counter()
    while len(seconds) < COMPILATIONS and (not seconds or time.perf_counter() - start < COMPILING):
        made = [compile_for(device, function, arguments) for device in devices]
        seconds.append([m[2] for m in made])
    return [m[:2] for m in made], seconds


def sample(compiled, arguments, calls):
    """Return the mean seconds of `calls` calls, each waited for."""
    start = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(compiled(*arguments))
    return (time.perf_counter() - start) / calls


def measure(make, devices, rounds):
    """Return the record of a workload on two devices, the second being the measure."""
    function, *arguments = make()
    compiled, compilations = compile_alternately(devices, function, arguments)
    calls = []
    for program, placed in compiled:
        sample(program, placed, 1)  # warm-up
        calls.append(max(1, round(SHORTEST / sample(program, placed, 1))))
    times = [[sample(*c, n) for c, n in zip(compiled, calls)] for _ in range(rounds)]
    ratios = sorted(device / cpu for device, cpu in times)
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {
        "seconds": statistics.median(t for t, _ in times),
        "cpu_seconds": statistics.median(t for _, t in times),
        "ratio": statistics.median(ratios),
        "quartiles": [quartiles[0], quartiles[2]],
        "compile_seconds": statistics.median(device for device, _ in compilations),
        "cpu_compile_seconds": statistics.median(cpu for _, cpu in compilations),
        "compile_ratio": statistics.median(device / cpu for device, cpu in compilations),
    }


def duration(seconds):
    """Return seconds as text with a fitting unit."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.3g} {unit}"


def row(name, r):
    """Return the cells of one workload, as in the header HEAD."""
    if "error" in r:
        return [name, r["error"].splitlines()[0][:80], *[""] * 5]
    run = [duration(r["seconds"]), duration(r["cpu_seconds"]), f"{r['ratio']:.2f}"]
    spread = "{:.2f} .. {:.2f}".format(*r["quartiles"])
    return [name, *run, spread, duration(r["compile_seconds"]), f"{r['compile_ratio']:.2f}"]


HEAD = ["workload", "device", "XLA:CPU", "ratio", "quartiles", "compile", "ratio"]


def rewrite_table(page, records):
    """Replace what stands between the page's two markers by the table of this run."""
    start, end = "<!-- measured: begin -->\n", "<!-- measured: end -->"
    rows = [HEAD, ["---", *["---:"] * (len(HEAD) - 1)], *(row(*item) for item in records.items())]
    head, _, rest = Path(page).read_text().partition(start)
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    Path(page).write_text(head + start + table + end + rest.partition(end)[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="ascend", help="the platform to compare with XLA:CPU")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only workloads whose name matches")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--markdown", metavar="PAGE", help="put the table into this page")
    args = parser.parse_args()
    chosen = {name: make for name, make in WORKLOADS.items() if re.search(args.filter, name)}
    if args.list:
        print("\n".join(chosen))
        return
    cpu = jax.devices("cpu")[0]
    jax.config.update("jax_default_device", cpu)  # where the arguments are made
    devices, records, failed = (jax.devices(args.platform)[0], cpu), {}, False
    first = [compile_for(device, lambda x: x * 3, [0.0])[2] for device in devices]
    print(f"first compilation of the process: device {duration(first[0])}, XLA:CPU {duration(first[1])}\n")
    widths = [30, 9, 9, 6, 14, 9, 6]
    print("  ".join(cell.ljust(w) for cell, w in zip(HEAD, widths)))
    for name, make in chosen.items():
        try:
            records[name] = measure(make, devices, args.rounds)
        except Exception as error:
            records[name], failed = {"error": str(error)}, True
        print("  ".join(cell.ljust(w) for cell, w in zip(row(name, records[name]), widths)), flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(records, indent=1))
    if args.markdown:
        rewrite_table(args.markdown, records)
    sys.exit(failed)


if __name__ == "__main__":
    main()
