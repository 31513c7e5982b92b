"""Compares a whole training step of GPT-2 124M in float32 on the CPU with PyTorch's.

    cmake --build build/release --target train_step
    python3 -m venv venv
    venv/bin/pip install torch transformers
    BENCH_EXE=build/release/bin/train_step venv/bin/python benchmarks/compare_pytorch.py

4 x 256 tokens a step, two threads: forward, loss, backward, clipping by the global norm and fused
AdamW with weight decay. PyTorch's model is the GPT2LMHeadModel of transformers with torch.compile,
or without it if it fails or with --eager. BENCH_EXE takes the number of steps and prints a line
"seconds_per_step X". The two run alternately, A B A B, never at the same time, and only medians are
compared. The machine should be otherwise idle. The program needs none of this to build or run.
Tested with Python 3.11, torch 2.15.0 and transformers 5.23.0.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SAMPLES, SEQUENCE, VOCAB = 4, 256, 50257


class TorchStep:
    """One training step; holds model, optimizer and fixed random tokens."""

    def __init__(self, threads, compiled):
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel

        self.torch = torch
        torch.set_num_threads(threads)
        torch.manual_seed(1)
        self.model = GPT2LMHeadModel(GPT2Config(
            n_positions=SEQUENCE, vocab_size=VOCAB, embd_pdrop=0.0, attn_pdrop=0.0,
            resid_pdrop=0.0, use_cache=False)).train()
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            [{"params": [p for p in self.parameters if p.dim() >= 2], "weight_decay": 0.1},
             {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0}],
            lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)
        tokens = torch.randint(0, 256, (SAMPLES, SEQUENCE + 1))
        self.inputs, self.targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        self.loss = torch.compile(self._loss) if compiled else self._loss

    def _loss(self, inputs, targets):
        logits = self.model(inputs).logits
        return self.torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.inputs, self.targets).backward()
        self.torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()


def make_torch_step(arguments):
    """A step after warm-up, compiled if possible, else eager; and the name of the kind."""
    if not arguments.eager:
        try:
            step = TorchStep(arguments.threads, compiled=True)
            step()
            step()
            return step, "compiled"
        except Exception as error:  # whatever the compiler's tool chain throws
            print(f"torch.compile does not work here ({type(error).__name__}: {error})")
    step = TorchStep(arguments.threads, compiled=False)
    step()
    step()
    return step, "eager"


def measure_torch(step, steps):
    """The median seconds of a step."""
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def measure_ours(program, steps):
    output = subprocess.run([program, str(steps)], check=True, capture_output=True, text=True)
    for line in output.stdout.splitlines():
        if line.startswith("seconds_per_step "):
            return float(line.split()[1])
    sys.exit(f"{program} printed no line \"seconds_per_step X\":\n{output.stdout}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each round")
    parser.add_argument("--threads", type=int, default=2, help="PyTorch's; BENCH_EXE has its own")
    parser.add_argument("--eager", action="store_true")
    arguments = parser.parse_args()
    program = os.environ.get("BENCH_EXE") or sys.exit("set BENCH_EXE to the train_step program")
    step, kind = make_torch_step(arguments)
    theirs, ours = [], []
    tokens = SAMPLES * SEQUENCE
    for number in range(1, arguments.rounds + 1):
        theirs.append(measure_torch(step, arguments.steps))
        print(f"round {number}: PyTorch {kind} {tokens / theirs[-1]:.1f} tokens/s", flush=True)
        ours.append(measure_ours(program, arguments.steps))
        print(f"round {number}: Stagecraft {tokens / ours[-1]:.1f} tokens/s", flush=True)
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(f"medians: PyTorch {kind} {tokens / statistics.median(theirs):.1f} tokens/s, Stagecraft "
          f"{tokens / statistics.median(ours):.1f} tokens/s, ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
