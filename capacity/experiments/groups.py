"""Which trials are trained together, and in which order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from capacity.experiments.sizing import Limit
from capacity.experiments.trial import TrialConfig


@dataclass(frozen=True)
class Group:
    """Trials that are equally far and advanced together: of one shape, or of several that read windows together.

    `overhead_seconds` is what its last slice spent on files and set-up, `breaks` how often a worker process died while
    it was under way.
    """

    trials: tuple[TrialConfig, ...]
    overhead_seconds: float = 0.0
    breaks: int = 0

    @property
    def label(self) -> str:
        """The group, for people."""
        count, labels = len(self.trials), list(dict.fromkeys(trial.label for trial in self.trials))
        named = labels[0] if len(labels) == 1 else f"{labels[0]} to {labels[-1]}"
        return f"{named} ({count} trial{'s' if count > 1 else ''})"


def make_groups(
    reached: Mapping[TrialConfig, tuple[int, int]], sizes: Mapping[TrialConfig, int], workers: int, limit: Limit
) -> list[Group]:
    """Put trials into groups of one shape that are equally far, the most work first.

    Largest first, because the long ones then end while others fill the remaining workers; because nearly all the work
    is in them, so that the time left is known early; and because a network that does not fit into memory shows at once.

    Parameters
    ----------
    reached : mapping
        The trials to put into groups, and how far each is: steps done, and entries in its curves. A kill while files
        are renamed leaves trials of one group at different checkpoints.
    sizes : mapping
        Number of parameters of each trial.
    workers : int
        How many groups run at a time. The trials of a shape are divided over that many groups, since the largest
        shape alone often is half of the work.
    limit : callable
        Most trials of a group, for a trial in it.
    """
    alike: dict[object, list[TrialConfig]] = {}
    for trial, point in reached.items():
        alike.setdefault((trial.shape, point), []).append(trial)
    groups = []
    for members in alike.values():
        most = min(math.ceil(len(members) / workers), limit(members[0]))
        groups += [Group(tuple(members[i : i + most])) for i in range(0, len(members), most)]
    return sorted(groups, key=lambda group: -sum(sizes[trial] for trial in group.trials))


def make_mixed_groups(
    reached: Mapping[TrialConfig, tuple[int, int]], sizes: Mapping[TrialConfig, int], limit: Limit
) -> list[Group]:
    """Put trials into groups that are equally far, whatever their shape: each group reads the data once an epoch.

    Parameters are those of `make_groups`. A trial of which at most so many can be trained together takes that part of
    a group's room.
    """
    alike: dict[object, list[TrialConfig]] = {}
    for trial, point in reached.items():
        alike.setdefault((trial.batch, point), []).append(trial)
    groups = []
    for members in alike.values():
        room, group = 1.0, list[TrialConfig]()
        for trial in sorted(members, key=lambda trial: -sizes[trial]):
            share = 1 / limit(trial)
            if group and share > room + 1e-9:
                groups.append(Group(tuple(group)))
                room, group = 1.0, []
            group.append(trial)
            room -= share
        groups.append(Group(tuple(group)))
    return groups
