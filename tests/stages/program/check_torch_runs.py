"""Whether torch.distributed.pipelining runs the CSV that `stagecraft schedule` writes, for every
schedule, with and without transfers, and computes the gradients of the whole model (torch 2.15, four
processes on the CPU):

    python3 tests/stages/program/check_torch_runs.py build/release/bin/stagecraft
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import torch
import torch.distributed as dist
from torch.distributed.pipelining import PipelineStage, schedules

RANKS, MICROBATCHES, WIDTH = 4, 8, 8
CHUNKS = {"1f1b": 1, "gpipe": 1, "zb-h1": 1, "zb-h2": 1}
CHUNKS |= {"interleaved": 2, "looped-bfs": 2, "zb-v": 2, "dualpipe-v": 2}
LOSS = torch.nn.functional.mse_loss


def chunk(number):
    torch.manual_seed(number)
    return torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh())


def batch():
    torch.manual_seed(1000)
    return torch.randn(MICROBATCHES, WIDTH), torch.randn(MICROBATCHES, WIDTH)


def whole_model(chunks):
    """All chunks in one process, with their gradients."""
    model = torch.nn.Sequential(*[chunk(number) for number in range(chunks)])
    for x, y in zip(*(data.chunk(MICROBATCHES) for data in batch())):
        LOSS(model(x), y).backward()
    return model


def run(file, name, form, rank):
    """The largest difference of a gradient on this rank."""
    last = RANKS * CHUNKS[name] - 1
    mine = [rank, last - rank] if name in ("zb-v", "dualpipe-v") else range(rank, last + 1, RANKS)
    modules = {number: chunk(number) for number in mine}
    stages = [PipelineStage(m, i, last + 1, torch.device("cpu")) for i, m in modules.items()]
    schedule = schedules._PipelineScheduleRuntime(
        stages, MICROBATCHES, loss_fn=LOSS, scale_grads=False
    )
    schedule._load_csv(file, format=form)
    x, y = batch()
    schedule.step(*([x] if 0 in mine else []), **({"target": y} if last in mine else {}))
    expected = whole_model(last + 1)
    return max(
        (p.grad - q.grad).abs().max().item()
        for number, module in modules.items()
        for p, q in zip(module.parameters(), expected[number].parameters())
    )


def work(rank, folder):
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", RANKS)
    dist.init_process_group("gloo", rank=rank, world_size=RANKS, store=store)
    for name in CHUNKS:
        for form in ("compute_only", "compute_comms"):
            error = torch.tensor(run(f"{folder}/{name}.{form}.csv", name, form, rank))
            dist.all_reduce(error, dist.ReduceOp.MAX)
            if rank == 0:
                print(f"{name}, {form}: largest difference of a gradient {error.item():.2g}", flush=True)
            assert error < 1e-6
    dist.destroy_process_group()


def write(program, folder):
    for name, chunks in CHUNKS.items():
        compute, comms = (folder / f"{name}.compute_{end}.csv" for end in ("only", "comms"))
        sizes = ["--stages", RANKS, "--microbatches", MICROBATCHES, "--chunks", chunks]
        files = ["--csv", compute, "--csv-comms", comms]
        words = [program, "schedule", "--schedule", name, *sizes, *files]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def main():
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        write(sys.argv[1], pathlib.Path(folder))
        torch.multiprocessing.spawn(work, (folder,), nprocs=RANKS)


if __name__ == "__main__":
    main()
