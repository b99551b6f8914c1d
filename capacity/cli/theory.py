"""`capacity theory`: what the papers derive, beside what the engine does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from capacity.theory import LinearNetwork


@click.group()
def theory() -> None:
    """Hold a paper's theory to Monte Carlo and to training on the engine."""


@theory.command()
@click.option("--k-max", type=int, default=16, show_default=True, metavar="K", help="Most weights: K = 1, ..., k-max.")
@click.option(
    "--samples", type=int, default=100_000, show_default=True, metavar="N", help="Starts of the Monte Carlo, each K."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of all starts.")
@click.option(
    "--radius", type=float, default=1.0, show_default=True, metavar="R",
    help="Radius of the ball of the starts, in units of C.",
)  # fmt: skip
@click.option("--out", default="theory-lnn", show_default=True, metavar="FOLDER", help="Folder for the figure.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON document.")
def lnn(*, as_json: bool, **options: Any) -> None:
    """How far does a linear network of K weights start from its solutions?

    The mean distance from a start, uniform in a ball around the origin, to the weights that solve the problem: in
    closed form, by Monte Carlo, and as the way of gradient descent on the engine. Lengths are in units of C, the
    distance of the solution from the origin for K = 1 (Ardalani, Hestness & Diamos 2019, appendix B).
    """
    from capacity.cli.results import to_json
    from capacity.theory import theory_lnn

    found = theory_lnn(**options)
    if as_json:
        click.echo(to_json({**vars(found), "figure": str(found.figure)}))
    else:
        _show(found)


def _show(found: LinearNetwork) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (
        "K", "C/sqrt(K)", "descent from\nthe origin", "mean over ball,\nclosed form", "Monte Carlo\n(std. error)",
        "gradient descent\n(std. error)", "starts beyond\nsolutions (%)",
    ):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(
            str(row["weights"]), f"{row['origin']:.6f}", f"{row['descent_origin']:.6f}", f"{row['mean']:.6f}",
            f"{row['monte_carlo']:.5f} ({row['monte_carlo_error']:.5f})",
            f"{row['descent']:.4f} ({row['descent_error']:.4f})", f"{100 * row['beyond']:.2f}",
        )  # fmt: skip
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    click.echo(f"distances in units of C; starts uniform in a ball of radius {found.radius:g} C")
    click.echo(f"figure (an SVG and the numbers as CSV beside it):\n  {found.figure}")
    click.echo(conclusion(found))


def conclusion(found: LinearNetwork) -> str:
    """Return whether the three agree, with the errors, in one sentence."""
    from capacity.theory import ROUNDING, STANDARD_ERRORS

    return (
        f"The three {'agree' if found.agree else 'DO NOT agree'}: the estimated means lie within "
        f"{found.deviation:.2f} standard errors of the closed form (at most {STANDARD_ERRORS:g} expected), and every "
        f"gradient descent ended within {found.miss:.1e} C of the solution nearest to its start (at most "
        f"{ROUNDING:.0e} expected)."
    )
