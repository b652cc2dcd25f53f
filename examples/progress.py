"""What every example shares: the command-line arguments that choose a device, and a progress bar."""

import argparse
import sys
import time

import jax


def argument_parser(description, *, steps):
    """Return a parser with --platform, --steps, --seed and --losses; `steps` is the default of --steps."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--platform", default="ascend", help="JAX platform to run on: ascend or cpu")
    parser.add_argument("--steps", type=int, default=steps, help="number of training steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of parameters, dropout and batches")
    parser.add_argument("--losses", metavar="FILE", help="write the loss of every step, one a line")
    return parser


def use_platform(platform):
    """Make the first device of `platform` the one that JAX uses, and return it."""
    device = jax.local_devices(backend=platform)[0]
    jax.config.update("jax_default_device", device)
    return device


def save_losses(path, losses):
    """Write one loss a line, with all the digits of an f32, when `path` is given."""
    if path:
        with open(path, "w") as file:
            file.writelines(f"{loss:.9g}\n" for loss in losses)


class Progress:
    """A one-line progress bar on a terminal; a line now and then elsewhere."""

    def __init__(self, total, width=28):
        """`total` is the number of steps that will be reported."""
        self.total, self.width = total, width
        self.start = self.last = time.perf_counter()
        self.first_done = None
        self.terminal = sys.stdout.isatty()

    def update(self, done, **values):
        """Show `done` of the total and the named values; the first step is timed apart: it compiles."""
        now = time.perf_counter()
        if self.first_done is None:
            self.first_done = now
        every = 0.1 if self.terminal else 5.0
        if 1 < done < self.total and now - self.last < every:
            return
        self.last = now
        speed = (done - 1) / (now - self.first_done) if done > 1 else 0.0
        fields = [f"{name} {value:.4f}" for name, value in values.items()]
        if speed:
            fields += [f"{speed:.1f} steps/s", f"{(self.total - done) / speed:.0f} s left"]
        else:
            fields += [f"compiled and ran in {now - self.start:.1f} s"]
        filled = self.width * done // self.total
        bar = "#" * filled + "." * (self.width - filled)
        line = f"[{bar}] {done}/{self.total}  " + "  ".join(fields)
        end = "\n" if not self.terminal or done == self.total else ""
        print(("\r\033[K" if self.terminal else "") + line, end=end, flush=True)
