# SPDX-License-Identifier: MIT
"""ddp - a training by PyTorch's DistributedDataParallel over NCCL that knows nothing of who
started it. usage: ddp.py STEPS"""

import os
import sys

import torch
import torch.distributed as dist


def main():
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    dist.init_process_group("nccl")
    layers = []
    for _ in range(6):
        layers += [torch.nn.Linear(1024, 1024), torch.nn.GELU()]
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers).cuda())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    for _ in range(int(sys.argv[1])):
        batch = torch.randn(256, 1024, device="cuda")
        loss = (model(batch) - batch).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        dist.all_reduce(loss.detach())
    torch.cuda.synchronize()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
