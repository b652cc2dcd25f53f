"""Mutates compiled programs, puts their checksum right, loads and runs them: each is refused with a message or runs.

Programs run in batches, each in a process of its own that says which it is at: one that crashes or does not end is
written to a file, and the rest of its batch goes on. `.ci/sanitize address --long` runs it in a sanitizer build.
"""

import argparse
import collections
import importlib
import os
import random
import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

HEADER = 48
EXTREMES = [0, 1, -1, 2, 7, 16, 31, 32, 63, 64, 255, 4095, 4096, 2**16, 2**20, 2**20 + 1, 2**31 - 1, 2**31, 2**32, 2**40,
            2**44, 2**48, 2**60, 2**62, 2**63 - 1, -2, -16, -(2**20), -(2**31), -(2**62), -(2**63), -(2**63) + 1]  # fmt: skip


def sealed(data):
    """The same program with the right checksum."""
    return data[:12] + struct.pack("<I", zlib.crc32(data[16:])) + data[16:]


def joined(header, words, constants):
    """A program of words, its header's sizes made to fit."""
    packed = struct.pack(f"<{len(words)}q", *words)
    start = -(-(HEADER + len(packed)) // 64) * 64
    head = header[:24] + struct.pack("<QQQ", len(words), start, len(constants))
    return sealed(head + packed + bytes(start - HEADER - len(packed)) + constants)


def split(data):
    """A program's header, words and constants."""
    count, start, size = struct.unpack_from("<QQQ", data, 24)
    return data[:HEADER], list(struct.unpack_from(f"<{count}q", data, HEADER)), data[start : start + size]


def mutated(rng, pool):
    """One to four changes to a program of the pool."""
    header, words, constants = split(rng.choice(pool))
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 4])):
        at, kind = rng.randrange(len(words)), rng.random()
        if kind < 0.35:
            words[at] = rng.choice(EXTREMES)
        elif kind < 0.55:
            words[at] = (words[at] + rng.choice([1, -1, 2, -2, 8, -8, 32, 64, 2**32, 2**62]) + 2**63) % 2**64 - 2**63
        elif kind < 0.65:
            words[at] ^= 1 << rng.randrange(63)
        elif kind < 0.75:
            words[at] = rng.randrange(64)
        elif kind < 0.85:
            other = rng.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        elif kind < 0.92:  # a piece of this program or another, in the place of as many words
            source = split(rng.choice(pool))[1]
            length, start = rng.randint(1, 40), rng.randrange(len(source))
            piece = source[start : start + length]
            words[at : at + len(piece)] = piece
        elif kind < 0.96:
            del words[at : at + rng.randint(1, 8)]
        else:
            words[at:at] = words[at : at + rng.randint(1, 8)]
        if not words:
            break
    return joined(header, words, constants)


def compiled():
    """Programs of the compiler: vector, cube, mixed, indexing, AICPU, loops and calls."""
    import jax
    import jax.numpy as jnp

    def mlp(x, w, v):
        return jax.nn.softmax(jax.nn.gelu(x @ w) @ v)

    def loop(x):
        return jax.lax.while_loop(lambda c: c[1] < 3, lambda c: (jnp.sin(c[0]) * 2, c[1] + 1), (x, 0))

    def branches(i, x):
        return jax.lax.switch(i, [jnp.cos, lambda y: jnp.sort(y, 0), lambda y: jax.lax.scan(step, y, y)[0]], x)

    def step(carry, row):
        return carry + row, row.sum()

    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, (2, 1), "SAME", rhs_dilation=(1, 2)).sum((2, 3))

    twice = jax.jit(lambda x: jnp.exp(x) @ x)
    x, i = jnp.ones((24, 24)), jnp.arange(7) % 5
    functions = [
        (mlp, (x, x, x)),
        (jax.grad(lambda *a: mlp(*a).sum() ** 2, (1, 2)), (x, x, x)),
        (loop, (x,)),
        (branches, (1, x)),
        (convolve, (jnp.ones((2, 3, 9, 8)), jnp.ones((5, 3, 3, 2)))),
        (lambda x: twice(twice(x)) + twice(x.T), (x,)),
        (lambda x, i: (x[i], x.at[i].add(1.0), x.at[:, i].set(3), jnp.take_along_axis(x, x.argsort(1), 1)), (x, i)),
        (lambda x: jax.lax.top_k(x, 5), (x,)),
        (lambda x: (x.astype(jnp.bfloat16) @ x.astype(jnp.bfloat16), jnp.cumsum(x, 1), x.argmax(0)), (x,)),
        (lambda x: jax.random.normal(jax.random.key(0), (300,)) + x[0, 0], (x,)),
        (lambda x, i: jax.lax.dynamic_slice(jnp.pad(x, 3), (i, i), (5, 6)), (x, 2)),
        (lambda x: (jnp.linalg.solve(x + jnp.eye(24), x), jnp.linalg.svd(x), jnp.linalg.eigh(x)), (x,)),
        (lambda x: (jnp.fft.fft(x[:, :15]), jnp.fft.rfft2(x), jnp.fft.irfft(x, axis=0)), (x,)),
        (lambda x: (x.astype(jnp.int8) @ x.astype(jnp.int8), x.astype(jnp.uint8).T), (x,)),
    ]
    device = jax.devices("ascend")[0]
    programs = []
    for function, arguments in functions:
        with jax.default_device(device):
            blob = jax.jit(function).lower(*arguments).compile().runtime_executable().serialize()
        programs.append(blob[blob.index(b"ASCENDPG") :])
    return programs


def divided():
    """Programs of the compiler over four devices: exchanges of every kind, in loops and branches, and what Shardy divides."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.sharding import Mesh, NamedSharding
    from jax.sharding import PartitionSpec as P

    mesh = Mesh(np.array(jax.devices("ascend")[:4]), ("i",))
    cut = NamedSharding(mesh, P("i"))
    pairs = [[0, 2], [3, 1]]

    def moves(x):
        turned = jax.lax.ppermute(x, "i", [(0, 1), (1, 2), (3, 3)])
        return turned, jax.lax.all_gather(x, "i"), jax.lax.all_to_all(x, "i", 1, 0, tiled=True)

    def sums(x):
        parts = jax.lax.psum_scatter(x.T.astype(jnp.bfloat16), "i", tiled=True)
        return jax.lax.psum(x, "i", axis_index_groups=pairs), parts, jax.lax.pmax(x, "i"), jax.lax.pbroadcast(x, "i", 2)

    def control(x):
        more = lambda x: jax.lax.pmax(x.max(), "i") < 9  # noqa: E731
        x = jax.lax.while_loop(more, lambda x: x + jax.lax.psum(x, "i"), x)
        return jax.lax.cond(x[0, 0] > 3, lambda x: jax.lax.psum(x, "i", axis_index_groups=pairs), jnp.sin, x)

    def ragged(x, out, n):
        return jax.lax.ragged_all_to_all(x, out, n, n, n, n, axis_name="i")

    x, n = jax.ShapeDtypeStruct((16, 8), np.float32, sharding=cut), jax.ShapeDtypeStruct((16,), np.int32, sharding=cut)
    mapped = [jax.shard_map(f, mesh=mesh, in_specs=P("i"), out_specs=P("i"), check_vma=False)
              for f in (moves, sums, control, ragged)]  # fmt: skip
    functions = [
        *zip(mapped, ((x,), (x,), (x,), (x, x, n))),
        (lambda x: (jnp.sort(x, 0), x.sum(0), x @ x.T), (x,)),
        (lambda x, n: (x[n], x.at[n].add(1.0)), (x, n)),
    ]
    blobs = [jax.jit(f).lower(*a).compile().runtime_executable().serialize() for f, a in functions]
    return [blob[blob.index(b"ASCENDPG") :] for blob in blobs]


def pool():
    """The programs that are mutated: the compiler's, the ones that test single instructions, and the crafted ones."""
    sys.path[:0] = [str(Path(__file__).parents[1] / room) for room in ("isa", "device", "crafted")]
    instruction_programs = importlib.import_module("instruction_programs")
    names = sorted(importlib.import_module("jax_ascend.compiler.isa.model").instruction_set())
    programs = []
    for name in names:
        if name not in instruction_programs.WITHOUT_VALUES:
            cases = list(instruction_programs.cases(name))
            programs += [case.program.encode() for case in random.Random(name).sample(cases, min(4, len(cases)))]
    random_kernels = importlib.import_module("random_vector_kernels")
    programs += [random_kernels.random_program(seed)[0].encode() for seed in range(20)]
    for module in ("crafted_debug", "crafted_exchanges", "crafted_kernels", "crafted_scalars", "crafted_streams"):
        importlib.import_module(module)
    crafted = [case.build()[0] for case in importlib.import_module("corpus").CASES]
    return programs + [c for c in crafted if HEADER < len(c) < 1 << 16] + compiled() + 4 * divided()


def work(pool_file, seed, numbers):
    """Load and run these programs; prints a line per program when it is over."""
    plugin = importlib.import_module("jax_ascend._plugin")
    plugin.set_threads(1)
    programs = read_pool(pool_file)
    for number in numbers:
        data = mutated(random.Random(seed * 1_000_003 + number), programs)
        print("start", number, flush=True)
        try:
            runner = plugin.ProgramRunner(data)
        except (RuntimeError, MemoryError) as error:
            outcome = "refused" if isinstance(error, MemoryError) or str(error).startswith("[") else f"odd {error!r}"
        else:
            try:
                runner.run()
                outcome = "ran"
            except RuntimeError as error:
                outcome = "failed" if str(error).startswith("[") else f"odd {error!r}"
            except MemoryError:
                outcome = "failed"
        print("end", number, outcome, flush=True)


def read_pool(path):
    data, programs = Path(path).read_bytes(), []
    while data:
        (size,) = struct.unpack_from("<Q", data)
        programs.append(data[8 : 8 + size])
        data = data[8 + size :]
    return programs


def run_batch(arguments, numbers, outcomes):
    """Run a batch in its own process, again from behind a program that crashed or did not end."""
    while numbers:
        child = subprocess.Popen(
            [sys.executable, __file__, "--work", str(arguments.pool), "--seed", str(arguments.seed),
             "--numbers", f"{numbers.start}:{numbers.stop}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        os.set_blocking(child.stdout.fileno(), False)
        current, deadline, ended = None, time.monotonic() + 60, False
        text = ""
        while not ended:
            ended = child.poll() is not None
            text += (child.stdout.read() or b"").decode()  # None: nothing yet
            *lines, text = text.split("\n")
            for line in lines:
                word, number, *rest = line.split(" ", 2)
                if word == "start":
                    current, deadline = int(number), time.monotonic() + arguments.limit
                else:
                    outcomes[rest[0].split()[0]] += 1
                    if rest[0].startswith("odd"):
                        report(arguments, int(number), rest[0])
                    current = None
            if time.monotonic() > deadline:
                child.kill()
                ended = True
            elif not ended:
                time.sleep(0.02)
        timed_out, error = time.monotonic() > deadline, child.stderr.read().decode(errors="replace")
        child.wait()
        if current is None:
            if child.returncode != 0:
                raise SystemExit(f"a worker ended with {child.returncode}:\n{error}")
            return
        outcomes["endless" if timed_out else "crashed"] += 1
        report(arguments, current, f"does not end in {arguments.limit} s" if timed_out else error)
        numbers = range(current + 1, numbers.stop)


def report(arguments, number, what):
    """Write the program to a file, and say what it does."""
    data = mutated(random.Random(arguments.seed * 1_000_003 + number), read_pool(arguments.pool))
    kind = "endless" if what.startswith("does not end") else "crash"
    path = arguments.out / f"{kind}-{arguments.seed}-{number}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(what)
    print(f"{path}: {what.strip().splitlines()[0] if what.strip() else 'no message'}", flush=True)


def main():
    """Fuzz; exits with 1 if a program crashed or was refused without a message of the project's form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=1000, help="how many mutated programs (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=500, help="programs per process")
    parser.add_argument("--limit", type=float, default=10, help="seconds for one program (default 10)")
    parser.add_argument("--out", type=Path, default=Path("fuzz-out"), help="folder for what crashes (default fuzz-out)")
    parser.add_argument("--run", type=Path, help="load and run one program's file instead")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--numbers", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if "asan" not in os.environ.get("LD_PRELOAD", ""):  # which itself reserves terabytes
            resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        first, last = map(int, arguments.numbers.split(":"))
        return work(arguments.work, arguments.seed, range(first, last))
    if arguments.run:
        importlib.import_module("jax_ascend._plugin").ProgramRunner(arguments.run.read_bytes()).run()
        return print("ran")
    arguments.out.mkdir(exist_ok=True)
    os.environ.setdefault("JAX_ASCEND_DEVICES", "4")
    isa_hash = importlib.import_module("jax_ascend.compiler.isa.encoding").isa_hash()
    arguments.pool = arguments.out / f"pool-{isa_hash:x}.bin"  # programs of another build would all be refused
    if not arguments.pool.exists():
        programs = pool()
        arguments.pool.write_bytes(b"".join(struct.pack("<Q", len(p)) + p for p in programs))
    print(f"{len(read_pool(arguments.pool))} programs to mutate", flush=True)
    outcomes, begun = collections.Counter(), time.monotonic()
    for first in range(0, arguments.programs, arguments.batch):
        run_batch(arguments, range(first, min(first + arguments.batch, arguments.programs)), outcomes)
        done = sum(outcomes.values())
        print(f"{done} programs in {time.monotonic() - begun:.0f} s: {dict(outcomes)}", flush=True)
    sys.exit(1 if outcomes["crashed"] or outcomes["odd"] else 0)


if __name__ == "__main__":
    main()
