"""`capacity doctor`."""

from __future__ import annotations

import json
from typing import Any

import click

from capacity.cli.words import plural

_LIBRARIES = ("numpy", "scipy", "h5py", "matplotlib")
_NO_CUPY = "not installed (pip install 'capacity-nn[cuda13]', or [cuda12] where the driver supports less than CUDA 13)"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(*, as_json: bool) -> None:
    """Say what this machine offers, and for what is missing the reason and the remedy."""
    facts = {**_software(), **_processor(), "cpu": _cpu(), "cuda": _cuda()}
    facts["auto"] = "cuda" if facts["cuda"]["usable"] else "cpu"
    click.echo(json.dumps(facts, indent=1) if as_json else "\n".join(_lines(facts)))


def _software() -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    from capacity import __version__

    return {
        "capacity": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def _processor() -> dict[str, Any]:
    from capacity.engine.machine import processor_name, usable_cores

    return {"processor": processor_name(), "cores": usable_cores()}


def _cpu() -> dict[str, Any]:
    """Return what the device 'cpu' works with: instruction sets and BLAS libraries."""
    from capacity.errors import DeviceError

    try:
        from capacity.engine import cpu
    except DeviceError as error:
        return {"usable": False, "reason": str(error).rstrip(".")}
    return {"usable": True, **cpu.details()}


def _cuda() -> dict[str, Any]:
    """Return what there is of all that the device 'cuda' needs, and what is missing first."""
    from capacity.engine.cuda import availability

    why = availability.why_not()
    return {
        "usable": why is None,
        **({} if why is None else {"reason": why.reason, "remedy": why.remedy}),
        **availability.details(),
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    cpu, cuda = facts["cpu"], facts["cuda"]
    rows = [
        ("capacity", f"{facts['capacity']}, Python {facts['python']}, {facts['platform']}"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())),
        ("processor", f"{facts['processor']}, {plural(facts['cores'], 'core')} for this process"),
        ("device cpu", _cpu_line(cpu)),
        *([("  bf16", _bf16_line(cpu))] if cpu["usable"] else []),
        *(
            ("  BLAS", f"{b['name']} {b['version']}, {plural(b['threads'], 'thread')} (1 while training)")
            for b in cpu.get("blas", [])
        ),
        ("device cuda", "can be used" if cuda["usable"] else f"cannot be used: {cuda['reason']}"),
        *([] if cuda["usable"] else [("  remedy", cuda["remedy"])]),
        *([("  driver", f"supports CUDA {cuda['driver']}")] if cuda["driver"] else []),
        *(("  GPU", _gpu_line(gpu)) for gpu in cuda["gpus"]),
        ("  CuPy", ", ".join(f"{name} {version}" for name, version in cuda["cupy"].items()) or _NO_CUPY),
        ("device auto", f"is {facts['auto']}"),
    ]
    return [f"{label:13}{text}" for label, text in rows]


def _cpu_line(cpu: dict[str, Any]) -> str:
    if not cpu["usable"]:
        return f"cannot be used: {cpu['reason']}"
    return f"can be used, with {cpu['simd']} (this processor runs {', '.join(cpu['simd_supported'])})"


def _bf16_line(cpu: dict[str, Any]) -> str:
    return "can be used" if cpu["bf16"] else f"cannot be used: {cpu['bf16_reason']}"


def _gpu_line(gpu: dict[str, Any]) -> str:
    free = "" if gpu["free"] is None else f", {gpu['free'] / 2**30:.1f} GiB free"
    return f"{gpu['name']} ({gpu['architecture']}), {gpu['memory'] / 2**30:.1f} GiB{free}"
