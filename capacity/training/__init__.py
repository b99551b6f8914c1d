"""Training: the trainer of R replicas, and train() for one model."""

from capacity.engine.devices import describe_device
from capacity.engine.program import SGD
from capacity.training.simple import TrainResult, train
from capacity.training.trainer import Metrics, State, Trainer

__all__ = ["SGD", "Metrics", "State", "TrainResult", "Trainer", "describe_device", "train"]
