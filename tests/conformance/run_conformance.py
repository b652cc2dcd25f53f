"""Run the StableHLO self-checking modules through a JAX platform and say, op by op, what passes.

    python tests/conformance/run_conformance.py --data DIR [--platform ascend] [--filter REGEX]
        [--workers 2] [--json FILE] [--markdown docs/conformance.md] [--update]

DIR is where openxla/stablehlo's test data is unpacked (it holds stablehlo/testdata/*.mlir);
without --data it is the environment variable STABLEHLO_DATA.
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

from isolated_worker import Worker

KNOWN_FAILURES = Path(__file__).with_name("known_failures.txt")


def find_modules(data, pattern=""):
    """Return the paths of the modules under an unpacked data directory whose name matches."""
    return [p for p in sorted(Path(data, "stablehlo", "testdata").glob("*.mlir")) if re.search(pattern, p.stem)]


def run_all(paths, platform, workers=2, seconds=600, report=lambda done: None):
    """Run every module, `workers` at a time; return one record each, sorted by name."""
    pool, records = queue.SimpleQueue(), []
    handles = [Worker(platform, seconds) for _ in range(workers)]
    for handle in handles:
        pool.put(handle)

    def one(path):
        handle = pool.get()
        try:
            return handle.run(path)
        finally:
            pool.put(handle)

    with concurrent.futures.ThreadPoolExecutor(workers) as threads:
        for record in threads.map(one, paths):
            records.append(record)
            report(len(records))
    for handle in handles:
        handle.stop()
    return sorted(records, key=lambda record: record["name"])


def known_failures():
    """Return {name: status} of the list of modules that are known not to pass."""
    lines = [line.partition("#")[0].split() for line in KNOWN_FAILURES.read_text().splitlines()]
    return {name: status for status, name in filter(None, lines)}


def write_known_failures(records):
    """Write the list anew from the records of a complete run."""
    head = "# StableHLO test modules that do not pass, and how they end. Written by run_conformance.py --update.\n"
    lines = [f"{r['status']:14} {r['name']}\n" for r in records if r["status"] != "pass"]
    KNOWN_FAILURES.write_text(head + "".join(lines))


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


def rewrite_tables(page, records, platform):
    """Replace what stands between the page's two markers by the figures of this run."""
    start, end = "<!-- measured: begin -->\n", "<!-- measured: end -->"
    head, _, rest = Path(page).read_text().partition(start)
    counts = ", ".join(f"{n} {status}" for status, n in summary(records).items())
    text = f"{len(records)} modules on `{platform}`: {counts}.\n\n{table_by_op(records)}"
    Path(page).write_text(head + start + text + end + rest.partition(end)[2])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("STABLEHLO_DATA"), help="unpacked test data")
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
    paths, start = find_modules(args.data, args.filter), time.perf_counter()

    def report(done):
        if sys.stderr.isatty() or done % 200 == 0:
            print(f"\r{done}/{len(paths)}", end="", file=sys.stderr, flush=True)

    records = run_all(paths, args.platform, args.workers, args.timeout, report)
    print(file=sys.stderr)
    for record in records:
        if record["status"] != "pass":
            print(f"{record['status']:14} {record['name']}: {record['message'].splitlines()[0]}")
    outcome = {"platform": args.platform, "seconds": round(time.perf_counter() - start), **summary(records)}
    print(json.dumps(outcome))
    if args.json:
        Path(args.json).write_text(json.dumps({"summary": outcome, "records": records}, indent=1))
    if args.markdown:
        rewrite_tables(args.markdown, records, args.platform)
    if args.update:
        write_known_failures(records)


if __name__ == "__main__":
    main()
