"""Writes torch_schedules/VERSION/*.csv, the schedules of torch.distributed.pipelining as the installed
torch dumps them itself: compute only, and lowered with its transfers (NAME_comms.csv). Made with
torch 2.13.0 and 2.15.0:

    python3 tests/stages/program/make_torch_schedules.py

torch dumps no gpipe and no 1f1b with transfers. Their _comms.csv are their compute as torch's own
passes lower it, which refuse 1f1b unless the forwards of its last row are counted from 0.
few_sends_comms.csv is interleaved 1F1B with at most two pending sends a rank and with deferred waits
for reductions; torch has both since 2.15.
"""

import csv
import inspect
import pathlib

import torch
import torch.distributed as dist
from torch.distributed.pipelining import PipelineStage, schedules

VERSION = ".".join(torch.__version__.split(".")[:2])
FOLDER = pathlib.Path(__file__).parent / "torch_schedules" / VERSION
RANKS, MICROBATCHES = 4, 8
LOSS = {"loss_fn": torch.nn.functional.mse_loss}


def stages(chunks, style):
    """The chunks of rank 0; a schedule asks them for nothing but their numbers."""
    last = RANKS * chunks - 1
    mine = [0, last] if style == "v" else range(0, last + 1, RANKS)
    return [PipelineStage(torch.nn.Identity(), i, last + 1, torch.device("cpu")) for i in mine]


def dump(name, schedule):
    schedule._dump_csv(FOLDER / f"{name}.csv", format="compute_only")
    dump_comms(name, schedule)


def dump_comms(name, schedule):
    schedule._dump_csv(FOLDER / f"{name}_comms.csv", format="compute_comms")


def dump_single(name, schedule):
    """gpipe and 1f1b have an order for their pictures and no _dump_csv; this writes what that would."""
    with open(FOLDER / f"{name}.csv", "w", newline="") as file:
        csv.writer(file).writerows(schedule._get_pipeline_order().values())


def from_0(row):
    """The compute of a row, with its forwards counted from 0."""
    first = next(a.microbatch_index for a in row if a and a.computation_type == schedules.FORWARD)
    for action in row:
        if action and action.is_compute_op:
            early = first if action.computation_type == schedules.FORWARD else 0
            yield action._replace(microbatch_index=action.microbatch_index - early)


def lowered(schedule):
    """torch's runtime with the schedule's compute, and with what torch's passes add to it."""
    runtime = schedules._PipelineScheduleRuntime(stages(1, "loop"), MICROBATCHES, **LOSS)
    order = schedule._get_pipeline_order()
    runtime._prepare_schedule_with_comms({rank: list(from_0(row)) for rank, row in order.items()})
    return runtime


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    store = dist.HashStore()
    dist.init_process_group("fake", rank=0, world_size=RANKS, store=store)
    for name, kind in [("gpipe", schedules.ScheduleGPipe), ("1f1b", schedules.Schedule1F1B)]:
        single = kind(stages(1, "loop")[0], MICROBATCHES, **LOSS)
        dump_single(name, single)
        dump_comms(name, lowered(single))
    interleaved = schedules.ScheduleInterleaved1F1B
    for name, kind, style in [
        ("looped_bfs", schedules.ScheduleLoopedBFS, "loop"),
        ("interleaved_1f1b", interleaved, "loop"),
        ("interleaved_zero_bubble", schedules.ScheduleInterleavedZeroBubble, "loop"),
        ("zbv_zero_bubble", schedules.ScheduleZBVZeroBubble, "v"),
        ("dualpipe_v", schedules.ScheduleDualPipeV, "v"),
    ]:
        dump(name, kind(stages(2, style), MICROBATCHES, **LOSS))
    if "max_outstanding_sends" in inspect.signature(interleaved).parameters:
        few = {"max_outstanding_sends": 2, "defer_reduce_grad_wait": True}
        dump_comms("few_sends", interleaved(stages(2, "loop"), MICROBATCHES, **LOSS, **few))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
