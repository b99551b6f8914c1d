"""The path through weight space of a PyTorch training: distance, path length and angles by groups of layers."""

from __future__ import annotations

import torch

import capacity
from capacity.analysis import PathRecorder, layer_groups


def main(steps: int = 200) -> PathRecorder:
    """Train a small classifier, print every 50th row of its path, and return what recorded it."""
    torch.manual_seed(0)
    x = torch.randn(512, 20)
    y = (x @ torch.randn(20, 5)).argmax(dim=1)
    model = torch.nn.Sequential(
        torch.nn.Linear(20, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 5)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    meter = capacity.TrajectoryMeter(dict(model.named_parameters()))
    recorder = PathRecorder(layer_groups([name.split(".")[0] for name in meter.names]), every=50)
    print("step  group      distance  path length  |gradient|  angle")
    for step in range(steps):
        batch = slice(step % 8 * 64, step % 8 * 64 + 64)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
        sums = meter.update(dict(model.named_parameters()), {name: p.grad for name, p in model.named_parameters()})
        path = recorder.add(sums[None])
        for t in range(len(path.steps)):
            for i, group in enumerate(recorder.groups):
                print(
                    f"{path.steps[t]:4}  {group:9}  {path.distance[t, i]:8.3f}  {path.path_length[t, i]:11.3f}  "
                    f"{path.step_size[t, i]:10.3f}  {path.angle[t, i]:5.2f}"
                )
    return recorder


if __name__ == "__main__":
    main()
