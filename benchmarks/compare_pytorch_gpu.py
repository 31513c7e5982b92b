"""Compares a whole training step of a GPT-2 in bfloat16 on one GPU with PyTorch's.

    cmake --build build/release --target train_step_gpu
    BENCH_EXE=build/release/bin/train_step_gpu python3 benchmarks/compare_pytorch_gpu.py

T = 1024, 512 sequences (0.5 M tokens) a step in micro-batches: forward, loss, backward, clipping by
the global norm and fused AdamW with weight decay. PyTorch uses torch.compile (unless --eager),
autocast to bfloat16, float32 master weights, its own fused attention, and the vocabulary padded to
50304. BENCH_EXE takes STEPS PRESET MICRO_BATCH bf16 GLOBAL_BATCH and prints a line
"seconds_per_step X". The two run alternately, A B A B, never at the same time, and only medians are
compared. PyTorch also runs in its own process, so that each program has the whole GPU memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SEQUENCE, VOCAB = 1024, 50304
SIZES = {"gpt2-124m": (12, 768, 12), "gpt2-355m": (24, 1024, 16), "gpt2-774m": (36, 1280, 20),
         "gpt2-1558m": (48, 1600, 25)}


def make_model(preset):
    import torch
    from torch import nn
    from torch.nn import functional

    layers, hidden, heads = SIZES[preset]

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
            self.c_attn, self.attn_proj = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
            self.c_fc, self.mlp_proj = nn.Linear(hidden, 4 * hidden), nn.Linear(4 * hidden, hidden)

        def forward(self, x):
            samples, sequence, _ = x.shape
            q, k, v = (part.view(samples, sequence, heads, -1).transpose(1, 2)
                       for part in self.c_attn(self.ln_1(x)).chunk(3, dim=-1))
            attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.attn_proj(attended.transpose(1, 2).reshape(samples, sequence, hidden))
            active = functional.gelu(self.c_fc(self.ln_2(x)), approximate="tanh")
            return x + self.mlp_proj(active)

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCAB, hidden), nn.Embedding(SEQUENCE, hidden)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.ln_f = nn.LayerNorm(hidden)
            for parameter in self.parameters():
                if parameter.dim() >= 2:
                    nn.init.normal_(parameter, std=0.02)

        def forward(self, tokens, targets):
            x = self.wte(tokens) + self.wpe.weight
            for block in self.blocks:
                x = block(x)
            logits = functional.linear(self.ln_f(x), self.wte.weight)
            return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    torch.manual_seed(1)
    return Gpt().cuda()


class TorchStep:
    """One training step; holds model, optimizer and fixed random tokens."""

    def __init__(self, arguments):
        import torch

        self.torch = torch
        torch.set_float32_matmul_precision("high")
        self.model = make_model(arguments.preset)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            [{"params": [p for p in self.parameters if p.dim() >= 2], "weight_decay": 0.1},
             {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0}],
            lr=3e-4, betas=(0.9, 0.95), eps=1e-8, fused=True)
        tokens = torch.randint(0, 256, (arguments.micro_batch, SEQUENCE + 1), device="cuda")
        self.inputs, self.targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()
        self.microbatches = arguments.global_batch // arguments.micro_batch
        self.loss = self.model if arguments.eager else torch.compile(self.model)

    def __call__(self):
        torch = self.torch
        for _ in range(self.microbatches):
            with torch.autocast("cuda", dtype=torch.bfloat16):
                loss = self.loss(self.inputs, self.targets)
            (loss / self.microbatches).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def run_torch(arguments):
    """Prints the median seconds of a step."""
    step = TorchStep(arguments)
    for _ in range(2):
        step()
    seconds = []
    for _ in range(arguments.steps):
        step.torch.cuda.synchronize()
        begin = time.perf_counter()
        step()
        step.torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    print(f"seconds_per_step {statistics.median(seconds):.4f}")
    print(f"peak_mib {step.torch.cuda.max_memory_allocated() / 2**20:.0f}")


def measured(command):
    output = subprocess.run(command, capture_output=True, text=True)
    for line in output.stdout.splitlines():
        if line.startswith("seconds_per_step "):
            return float(line.split()[1])
    sys.exit(f"{command} printed no line \"seconds_per_step X\":\n{output.stdout}\n"
             f"{output.stderr[-3000:]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="gpt2-124m", choices=list(SIZES))
    parser.add_argument("--micro-batch", type=int, default=64)
    parser.add_argument("--global-batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each round")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--torch", action="store_true", help="run PyTorch alone, in this process")
    arguments = parser.parse_args()
    if arguments.torch:
        run_torch(arguments)
        return
    program = os.environ.get("BENCH_EXE") or sys.exit("set BENCH_EXE to the train_step_gpu program")
    sizes = [str(size) for size in (arguments.micro_batch, "bf16", arguments.global_batch)]
    commands = {"PyTorch": [sys.executable, __file__, "--torch", *sys.argv[1:]],
                "Stagecraft": [program, str(arguments.steps), arguments.preset, *sizes]}
    seconds = {name: [] for name in commands}
    tokens = arguments.global_batch * SEQUENCE
    for number in range(1, arguments.rounds + 1):
        for name, command in commands.items():
            seconds[name].append(measured(command))
            print(f"round {number}: {name} {tokens / seconds[name][-1]:.0f} tokens/s", flush=True)
    theirs, ours = (tokens / statistics.median(seconds[name]) for name in commands)
    print(f"medians: PyTorch {theirs:.0f} tokens/s, Stagecraft {ours:.0f} tokens/s, "
          f"ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
