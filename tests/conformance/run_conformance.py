"""Run the StableHLO self-checking modules through a JAX platform and say, op by op, what passes.

    python tests/conformance/run_conformance.py --data DIR [--suite testdata] [--platform ascend] [--filter REGEX]
        [--workers 2] [--json FILE] [--markdown docs/conformance.md] [--update]

DIR is where openxla/stablehlo's test data is unpacked; without --data it is the environment variable STABLEHLO_DATA.
The suites are testdata (stablehlo/testdata/*.mlir), quantized (stablehlo/testdata/quantized), examples, those of
the specification (stablehlo/tests/interpret) that check something and need one device, and devices, those of them that need
several.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import queue
import re
import sys
import time
from pathlib import Path

from check_dialect import RUN_PARALLEL, modules_of
from isolated_worker import Worker

KNOWN_FAILURES = Path(__file__).with_name("known_failures.txt")


SUITES = {
    "testdata": ("stablehlo/testdata", "*.mlir"),
    "quantized": ("stablehlo/testdata/quantized", "*.mlir"),
    "examples": ("stablehlo/tests/interpret", "**/*.mlir"),
    "devices": ("stablehlo/tests/interpret", "**/*.mlir"),
}
NOT_OURS = re.compile(
    r"interpreter\.|expect_serialized_eq|func @main\(%"
)  # the interpreter's, files, inputs from outside


def find_modules(data, pattern="", suite="testdata"):
    """Return (name, text) of the modules under an unpacked data directory whose name matches and that check something.

    A file with several modules gives `name#number` for each.
    """
    folder, glob = SUITES[suite]
    found = []
    for path in sorted(Path(data, folder).glob(glob)):
        parts = modules_of(path.read_text())
        for number, text in parts:
            name = path.stem if len(parts) == 1 else f"{path.stem}#{number}"
            ours = RUN_PARALLEL in text if suite == "devices" else not NOT_OURS.search(text)
            if re.search(pattern, name) and "check." in text and ours:
                found.append((name, text))
    return found


def run_all(cases, platform, workers=2, seconds=600, report=lambda done: None):
    """Run every module, `workers` at a time; return one record each, sorted by name."""
    pool, records = queue.SimpleQueue(), []
    handles = [Worker(platform, seconds) for _ in range(workers)]
    for handle in handles:
        pool.put(handle)

    def one(case):
        handle = pool.get()
        try:
            return handle.run(case)
        finally:
            pool.put(handle)

    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        for record in threads.map(one, cases):
            records.append(record)
            report(len(records))
    for handle in handles:
        handle.stop()
    return sorted(records, key=lambda record: record["name"])


def known_failures():
    """Return {name: status} of the list of modules that are known not to pass, of all suites."""
    lines = [line.split()[:2] for line in KNOWN_FAILURES.read_text().splitlines() if not line.startswith("#")]
    return {name: status for status, name in filter(None, lines)}


def write_known_failures(records):
    """Write the list anew from the records of a complete run."""
    head = "# StableHLO test modules that do not pass, and how they end. Written by run_conformance.py --update.\n"
    ran = {r["name"] for r in records}
    ends = {name: status for name, status in known_failures().items() if name not in ran}
    ends |= {r["name"]: r["status"] for r in records if r["status"] != "pass"}
    KNOWN_FAILURES.write_text(head + "".join(f"{status:14} {name}\n" for name, status in sorted(ends.items())))


def summary(records):
    """Return {status: count}, the passes first."""
    counts = collections.Counter(record["status"] for record in records)
    return {"pass": counts.pop("pass", 0), **dict(sorted(counts.items()))}


def table_by_op(records):
    """Return the Markdown table of all ops: in how many modules each occurs and how those end."""
    per_op = collections.defaultdict(collections.Counter)
    for record in records:
        for op in record.get("ops", ()):
            per_op[op][record["status"]] += 1
    rows = ["| op | modules | pass | otherwise |", "|---|---:|---:|---|"]
    for op, counts in sorted(per_op.items()):
        others = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()) if status != "pass")
        rows.append(f"| `{op}` | {counts.total()} | {counts['pass']} | {others} |")
    return "\n".join(rows) + "\n"


def rewrite_tables(page, records, suite, platform):
    """Replace what stands between the suite's two markers in the page by the figures of this run."""
    start, end = f"<!-- {suite}: begin -->\n", f"<!-- {suite}: end -->"
    head, _, rest = Path(page).read_text().partition(start)
    counts = ", ".join(f"{n} {status}" for status, n in summary(records).items())
    text = f"{len(records)} modules on `{platform}`: {counts}.\n\n{table_by_op(records)}"
    Path(page).write_text(head + start + text + end + rest.partition(end)[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("STABLEHLO_DATA"), help="unpacked test data")
    parser.add_argument("--suite", default="testdata", choices=SUITES)
    parser.add_argument("--platform", default="ascend")
    parser.add_argument("--filter", default="", metavar="REGEX", help="only modules whose name matches")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=float, default=600, help="seconds before a module counts as hung")
    parser.add_argument("--json", metavar="FILE", help="write the summary and every record")
    parser.add_argument("--markdown", metavar="PAGE", help="put the table by op into this page")
    parser.add_argument("--update", action="store_true", help="rewrite known_failures.txt (complete runs only)")
    args = parser.parse_args()
    if not args.data:
        parser.error("no data: give --data DIR or set STABLEHLO_DATA")
    if args.update and args.filter:
        parser.error("--update needs a complete run; drop --filter")
    cases, start = find_modules(args.data, args.filter, args.suite), time.perf_counter()

    def report(done):
        if sys.stderr.isatty() or done % 200 == 0:
            print(f"\r{done}/{len(cases)}", end="", file=sys.stderr, flush=True)

    records = run_all(cases, args.platform, args.workers, args.timeout, report)
    print(file=sys.stderr)
    for record in records:
        if record["status"] != "pass":
            print(f"{record['status']:14} {record['name']}: {record['message'].splitlines()[0]}")
    outcome = {"platform": args.platform, "seconds": round(time.perf_counter() - start), **summary(records)}
    print(json.dumps(outcome))
    if args.json:
        Path(args.json).write_text(json.dumps({"summary": outcome, "records": records}, indent=1))
    if args.markdown:
        rewrite_tables(args.markdown, records, args.suite, args.platform)
    if args.update:
        write_known_failures(records)


if __name__ == "__main__":
    main()
