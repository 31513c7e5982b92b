"""Compares processes with threads on the CPU: alternating training runs with the same plan.

    python3 benchmarks/compare_modes.py examples/first_run/first_run.toml
    python3 benchmarks/compare_modes.py examples/first_run/first_run.toml \\
        --set parallel.pipeline=1 --set parallel.data=2

A round is one run with threads and one with mpirun, both started by launch/train; the order
alternates. The value of a run is the median time of its steps, without the first three; that of a
round is the quotient of the two. The result is the median over the rounds with its 95 % confidence
interval (order statistics). The machine should be otherwise idle.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import tempfile

LIMIT = 1.03
WARM_UP = 3
ROOT = pathlib.Path(__file__).resolve().parent.parent


def step_seconds(arguments, mode):
    """The median step time of one run, and its last loss."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        words = [f"train.steps={arguments.steps}", "train.warmup_steps=5", "train.eval_every=0",
                 "train.eval_batches=1", 'trace.file=""', *arguments.set,
                 f'run.mode="{mode}"', f'run.directory="{run}"', "device.backend=cpu"]
        command = [ROOT / "launch/train", arguments.config, "--program", arguments.program]
        for word in words:
            command += ["--set", word]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        lines = [row for row in rows if "loss" in row]
    assert len(lines) == arguments.steps
    return statistics.median(line["step_seconds"] for line in lines[WARM_UP:]), lines[-1]["loss"]


def interval(values):
    """The confidence interval of the median at 95 % or more, by the sign test."""
    values = sorted(values)
    count = len(values)
    below = 0
    outside = 2.0 ** -count
    while outside + math.comb(count, below + 1) * 2.0 ** -count <= 0.025:
        below += 1
        outside += math.comb(count, below) * 2.0 ** -count
    return values[below], values[count - 1 - below]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--steps", type=int, default=43)
    parser.add_argument("--program", default=ROOT / "build/release/bin/stagecraft")
    arguments = parser.parse_args()
    ratios = []
    for number in range(arguments.rounds):
        modes = ["threads", "mpi"] if number % 2 == 0 else ["mpi", "threads"]
        results = {mode: step_seconds(arguments, mode) for mode in modes}
        assert results["threads"][1] == results["mpi"][1], "the two modes gave different losses"
        ratios.append(results["mpi"][0] / results["threads"][0])
        print(f"round {number + 1:2}  threads {1e3 * results['threads'][0]:.1f} ms a step"
              f"  processes {1e3 * results['mpi'][0]:.1f}  ratio {ratios[-1]:.3f}", flush=True)
    low, high = interval(ratios)
    print(f"processes / threads: median {statistics.median(ratios):.3f}, 95 % interval {low:.3f} to "
          f"{high:.3f} (limit {LIMIT})")


if __name__ == "__main__":
    main()
