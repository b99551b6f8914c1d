"""`python -m bench [NAME] [options]`, NAME one of COMMANDS below; without a name: cpu."""

from __future__ import annotations

import importlib
import sys

COMMANDS = (
    "cpu",
    "gpu",
    "micro",
    "bf16",
    "trajectory",
    "emc",
    "emc-truths",
    "emc-studies",
    "instructions",
    "reader",
    "windows",
    "readme",
)


def main(arguments: list[str]) -> int:
    """Run one benchmark and return its exit status."""
    name = "cpu"
    if arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
    if name not in COMMANDS:
        print(f"python -m bench knows {', '.join(COMMANDS)}, got '{name}'; see bench/README.md.", file=sys.stderr)
        return 2
    status: int = importlib.import_module(f"bench.{name.replace('-', '_')}").main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
