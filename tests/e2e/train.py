#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A DistributedDataParallel program as people write them; it knows nothing of aolani-run.
Rank 0 prints a line every --log-every steps and saves a checkpoint every --save-every."""
import argparse
import os
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--steps", type=int, default=40)
    args.add_argument("--log-every", type=int, default=1)
    args.add_argument("--save-every", type=int, default=5)
    args.add_argument("--checkpoint", default="checkpoint.pt")
    args.add_argument("--pause", type=float, default=0.02)
    args = args.parse_args()

    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rank = dist.get_rank()
    model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000)
    start = 0
    if os.path.exists(args.checkpoint):
        saved = torch.load(args.checkpoint)
        model.module.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["step"]
        if rank == 0:
            print(f"resumed at step {start}", flush=True)
    # HOOK
    for step in range(start, args.steps):
        torch.manual_seed(1000 * step + rank)
        x = torch.randn(16, 8)
        loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True).sin())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        time.sleep(args.pause)
        if rank == 0 and step % args.log_every == 0:
            print(f"step {step} loss {loss.item():.4f}")
        if rank == 0 and (step + 1) % args.save_every == 0:
            torch.save({"model": model.module.state_dict(), "step": step + 1,
                        "optimizer": optimizer.state_dict()}, args.checkpoint + ".part")
            os.replace(args.checkpoint + ".part", args.checkpoint)
    dist.barrier()
    if rank == 0:
        print(f"done after {args.steps} steps, loss {loss.item():.4f}")
    dist.destroy_process_group()


main()
