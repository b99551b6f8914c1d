"""Training: the trainer of R replicas, train() for one model, and the loss around a point."""

from capacity.engine.devices import describe_device
from capacity.engine.optimizers import SGD, Adam, AdamW, Shampoo
from capacity.training.curvature import LossSurface
from capacity.training.meter import TrajectoryMeter
from capacity.training.simple import TrainResult, train
from capacity.training.trainer import Metrics, State, Trainer, advance_together, evaluate_together

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "LossSurface",
    "Metrics",
    "Shampoo",
    "State",
    "TrainResult",
    "Trainer",
    "TrajectoryMeter",
    "advance_together",
    "describe_device",
    "evaluate_together",
    "train",
]
