"""Run JAX's own tests on the device and on XLA:CPU, and say file by file what passes.

    python tests/conformance/run_jax_tests.py CHECKOUT [FILE...] [--sample 250] [--seed 0] [--seconds 600] [--x64]
        [--devices 1] [--json FILE] [--markdown FILE]

CHECKOUT is jax-ml/jax at the tag of the installed JAX. A FILE is a name such as lax_test; without any, all files that
need one device are run. pytest, absl-py and hypothesis have to be installed. Of each file a random sample is run,
the same for the same seed, in the order of the sample; `--seconds` bounds the time for one file, and what was not run
then is said. Tests that JAX restricts to CPUs, GPUs and TPUs run as on a CPU. A test that ends its process counts as
crashed, one that takes longer than 120 s as hung, and the rest of the file goes on. What does not pass is run again on
XLA:CPU alone: the last column says how much of it passes there. known_jax_tests.txt has the reason of each such test; one
without ends this script with 1. With `--devices` both platforms have so many, and tests that are skipped on the device are run
on XLA:CPU too.
"""

import argparse
import collections
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from fnmatch import fnmatch
from pathlib import Path

SECONDS = 120  # for one test
KNOWN = Path(__file__).with_name("known_jax_tests.txt")
NEEDS_MORE = {  # several devices or processes, other accelerators, or packages that are not in the wheel
    "array_test", "compilation_cache_test", "cudnn_fusion_test", "filecheck", "fused_attention_stablehlo_test",
    "host_callback_test", "infeed_test", "multi_device_test", "multiprocess_gpu_test", "pgle_test", "pjit_test",
    "pmap_test", "shard_alike_test", "shard_map_test", "state_test", "xla_metadata_test",
}  # fmt: skip

PLUGIN = """
import importlib.util
import os
import sys
from pathlib import Path

class FromCheckout:
    # what tests import and the wheel does not have
    @staticmethod
    def find_spec(name, path=None, target=None):
        file = Path(os.environ["JAX_TESTS_CHECKOUT"], *name.split(".")).with_suffix(".py")
        if name.startswith("jax._src.") and file.exists():
            return importlib.util.spec_from_file_location(name, file)

def pytest_configure(config):
    sys.meta_path.append(FromCheckout)
    from jax import lax
    from jax._src import test_util
    test_util._TEST_DUT._set("cpu")
    choose = lax.platform_dependent

    def platform_dependent(*arguments, default=None, **branches):  # what is taken for a CPU takes its branch
        if "cpu" in branches:
            branches.setdefault("ascend", branches["cpu"])
        return choose(*arguments, default=default, **branches)

    lax.platform_dependent = platform_dependent

def pytest_collection_modifyitems(items):
    chosen = Path(os.environ["JAX_TESTS_CHOSEN"])  # names with brackets are no arguments of pytest's
    if chosen.exists():
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in chosen.read_text().splitlines() if name in found]

def _say(*words):
    with open(os.environ["JAX_TESTS_LOG"], "a") as log:
        print(*words, file=log)

def pytest_runtest_logstart(nodeid, location):
    _say("start", nodeid)

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        _say(report.outcome, report.nodeid)
"""


def run_pytest(checkout, folder, arguments, platforms, options, chosen=None, log=None, seconds=None):
    """Run pytest in the checkout's tests; returns its output, or with a log ends it when a test or all take too long."""
    selection = folder / "chosen"
    selection.unlink(missing_ok=True)
    if chosen:
        selection.write_text("\n".join(chosen))
    environment = os.environ | {
        "JAX_PLATFORMS": platforms,
        "JAX_ENABLE_X64": str(int(options.x64)),
        "JAX_ASCEND_DEVICES": str(options.devices),
        "JAX_NUM_CPU_DEVICES": str(options.devices if options.devices > 1 else -1),
        "PYTHONPATH": str(folder),
        "JAX_TESTS_LOG": str(log or folder / "unused"),
        "JAX_TESTS_CHECKOUT": str(checkout),
        "JAX_TESTS_CHOSEN": str(selection),
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "jax_tests_plugin",
        "-s",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    child = subprocess.Popen(
        command, cwd=checkout / "tests", env=environment, text=True,
        stdout=subprocess.PIPE if log is None else subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if log is None:
        return child.communicate()[0]
    deadline = time.monotonic() + seconds
    while child.poll() is None:
        if time.monotonic() > deadline or time.time() - log.stat().st_mtime > SECONDS:  # a line per test
            child.kill()
        time.sleep(0.1)
    return ""


def collect(checkout, folder, name, options):
    """Return the ids of a file's tests."""
    out = run_pytest(checkout, folder, ["--collect-only", f"{name}.py"], "cpu", options)
    return [line for line in out.splitlines() if line.startswith(f"{name}.py::")]


def run_tests(checkout, folder, tests, platforms, options):
    """Return the outcome of each test that could be run in `options.seconds`: passed, failed, skipped, crashed or hung."""
    outcomes, left, deadline = {}, list(tests), time.monotonic() + options.seconds
    while left and time.monotonic() < deadline:
        log = folder / "log"
        log.write_text("")
        batch = left[:50]
        file = batch[0].partition("::")[0]
        run_pytest(checkout, folder, [file], platforms, options, batch, log, deadline - time.monotonic())
        lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
        for word, test in lines:
            if word != "start" and outcomes.get(test) != "failed":  # as of a test that failed to tear down
                outcomes[test] = word
        started = [test for word, test in lines if word == "start"]
        unfinished = [test for test in started if test not in outcomes]
        if unfinished and time.monotonic() < deadline:
            outcomes[unfinished[0]] = "crashed or hung"
        if not started:
            break  # the file does not even import
        left = [test for test in left if test not in outcomes]
    return {test: outcomes[test] for test in tests if test in outcomes}


def measure(checkout, folder, name, arguments):
    """Return the record of a file."""
    tests = collect(checkout, folder, name, arguments)
    chosen = list(tests)
    random.Random(f"{arguments.seed} {name}").shuffle(chosen)
    chosen = chosen[: arguments.sample]
    found = run_tests(checkout, folder, chosen, "ascend,cpu", arguments)
    counts = collections.Counter(found.values())
    again = [
        test
        for test, outcome in found.items()
        if outcome != "passed" and (outcome != "skipped" or arguments.devices > 1)
    ]
    there = run_tests(checkout, folder, again, "cpu", arguments)
    odd = [test for test in again if found[test] != "skipped" or there.get(test) == "passed"]
    return {
        "file": name, "devices": arguments.devices, "x64": arguments.x64, "seed": arguments.seed, "sample": arguments.sample, "collected": len(tests), "sampled": len(chosen), "ran": len(found),
        "passed": counts["passed"], "skipped": counts["skipped"],
        "odd": {test: {"ascend": found[test], "cpu": there.get(test, "not run")} for test in odd},
    }  # fmt: skip


def known_differences():
    """Return {pattern: reason} of the tests that are known to pass on XLA:CPU only."""
    lines = [line for line in KNOWN.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("  ", 1) for line in lines)


def differences(records):
    """Return {test: reason} of the tests that pass on XLA:CPU only; "" is a reason that the list does not know."""
    only = [test for r in records for test, where in r["odd"].items() if where["cpu"] == "passed"]
    known = known_differences()
    return {test: next((why for pattern, why in known.items() if fnmatch(test, pattern)), "") for test in only}


def table(records):
    """The records as a table in Markdown, and by reason the tests that pass on XLA:CPU only."""
    lines = [
        "| file | x64 | collected | sampled | ran | passed | skipped | other | of these pass on XLA:CPU |",
        "|---|---|" + "---:|" * 7,
    ]
    for r in sorted(records, key=lambda r: (r["x64"], r["file"])):
        only = sum(where["cpu"] == "passed" for where in r["odd"].values())
        lines.append(
            f"| {r['file']} | {'on' if r['x64'] else 'off'} | {r['collected']} | {r['sampled']} | {r['ran']} "
            f"| {r['passed']} | {r['skipped']} | {len(r['odd'])} | {only} |"
        )
    passed, only = sum(r["passed"] for r in records), differences(records)
    share = passed / max(passed + len(only), 1)
    lines.append(f"\n{passed} pass; {len(only)} pass on XLA:CPU only ({share:.2%} of what it passes).\n")
    if only:
        lines += ["| pass on XLA:CPU only | tests | first |", "|---|---:|---|"]
    for reason in sorted(set(only.values())):
        tests = [test for test, why in only.items() if why == reason]
        lines.append(f"| {reason or '**not known**'} | {len(tests)} | {tests[0].partition('::')[2]} |")
    return "\n".join(lines) + "\n"


def main():
    """Run the files and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of jax-ml/jax at the tag of the installed JAX")
    parser.add_argument("files", nargs="*", help="names of test files, such as lax_test (default all)")
    parser.add_argument("--sample", type=int, default=250, help="tests per file (default 250)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--seconds", type=float, default=600, help="for one file (default 600)")
    parser.add_argument("--x64", action="store_true", help="with JAX_ENABLE_X64")
    parser.add_argument("--devices", type=int, default=1, help="of both platforms (default 1)")
    parser.add_argument("--json", type=Path, help="file for the records; those of a run that was cut are kept")
    parser.add_argument(
        "--markdown",
        type=Path,
        help="page that gets the table between its marks `jax`, with several devices `jax-devices`",
    )
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    names = [name.removesuffix(".py") for name in arguments.files]
    names = names or sorted(path.stem for path in (checkout / "tests").glob("*_test.py") if path.stem not in NEEDS_MORE)
    if not names or not all((checkout / "tests" / f"{name}.py").exists() for name in names):
        parser.error(f"{checkout} has no tests of these names; expected a checkout of jax-ml/jax")
    records = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else []
    key = arguments.x64, arguments.seed, arguments.sample, arguments.devices
    kept = {(r["file"], r["x64"], r["seed"], r["sample"], r.get("devices", 1)) for r in records}
    names = [name for name in names if (name, *key) not in kept]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "jax_tests_plugin.py").write_text(PLUGIN)
        for name in names:
            start = time.monotonic()
            records.append(measure(checkout, folder, name, arguments))
            r = records[-1]
            print(f"{name}: {r['passed']} passed, {r['skipped']} skipped, {len(r['odd'])} other of {r['ran']} "
                  f"in {time.monotonic() - start:.0f} s", flush=True)  # fmt: skip
            if arguments.json:
                arguments.json.write_text(json.dumps(records, indent=1))
    text = table(records)
    print(text)
    if arguments.markdown:
        mark = "jax-devices" if arguments.devices > 1 else "jax"
        page, begin, end = arguments.markdown.read_text(), f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
        arguments.markdown.write_text(page.split(begin)[0] + begin + text + end + page.split(end)[1])
    if new := [test for test, reason in differences(records).items() if not reason]:
        sys.exit(f"{len(new)} pass on XLA:CPU only, and {KNOWN.name} has no reason: {', '.join(new)}")


if __name__ == "__main__":
    main()
