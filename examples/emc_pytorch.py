"""How many digits a small PyTorch network fits, trained by Adam, with their own labels and with random ones."""

from __future__ import annotations

import torch

import capacity
from capacity.experiments.emc_result import EMCResult


def measure(x: torch.Tensor, y: torch.Tensor, steps: int, seeds: int) -> EMCResult:
    """Return the effective model complexity of a network of twelve hidden units on samples of x (N, 64), y (N,)."""

    def fits(n: int, seed: int) -> bool:
        torch.manual_seed(seed)
        rows = torch.randperm(len(x))[:n]
        model = torch.nn.Sequential(torch.nn.Linear(64, 12), torch.nn.ReLU(), torch.nn.Linear(12, 10))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(steps):
            logits = model(x[rows])
            if bool((logits.argmax(dim=1) == y[rows]).all()):
                return True  # as soon as it has fitted
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits, y[rows]).backward()
            optimizer.step()
        return False

    return capacity.emc_search(fits, n_max=len(x), seeds=seeds, resolution=0.05)


def main(steps: int = 200, seeds: int = 3) -> dict[str, EMCResult]:
    """Measure both, print them, and return them."""
    torch.set_num_threads(1)  # the network is too small for more
    digits = capacity.open_dataset("digits")
    x = torch.tensor(digits.train.features) * digits.scale
    labels = torch.tensor(digits.train.labels).long()
    random = torch.randint(10, labels.shape, generator=torch.Generator().manual_seed(0))
    results = {}
    for name, y in {"own labels": labels, "random labels": random}.items():
        results[name] = measure(x, y, steps, seeds)
        print(f"{name}: {results[name].summary()}")
    return results


if __name__ == "__main__":
    main()
