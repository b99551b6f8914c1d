"""What is trained: frozen descriptions that record their ops on a tape."""

from capacity.models.mlp import MLP

__all__ = ["MLP"]
