"""`capacity data get`: well-known sets by name."""

from __future__ import annotations

from pathlib import Path

import click

from capacity.cli.data_facts import report
from capacity.cli.data_import import SOURCE
from capacity.cli.data_progress import progress


@click.command()
@click.argument("name", required=False, metavar="[NAME]")
@click.argument("out", required=False, type=SOURCE, metavar="[OUT.h5]")
@click.option("--from", "source", type=SOURCE, metavar="PATH", help="Folder with the original files; no connection.")
@click.option("--offline", is_flag=True, help="Make no connection: take what is in the cache, or say what is missing.")
@click.option("--list", "listing", is_flag=True, help="List the sets, as without NAME.")
def get(name: str | None, out: Path | None, source: Path | None, offline: bool, listing: bool) -> None:
    """Download a well-known data set and import it.

    Files come from their official addresses and must have the SHA-256 pinned here. They are kept in a cache folder
    (CAPACITY_CACHE moves it) and fetched once; a download that was cut is resumed. OUT.h5 is NAME.h5 unless given.
    With --offline, or CAPACITY_OFFLINE=1 in the environment, no connection is made.
    """
    if listing or name is None:
        _list()
        return
    from capacity.data import get_dataset
    from capacity.data.fetching.known import find_known

    size = find_known(name).size
    doing, total = (f"fetching {name}", size) if source is None else (f"importing {name}", None)
    with progress(doing, total) as advance:
        dataset = get_dataset(name, out, source=source, offline=offline or None, progress=advance)
    report(dataset)


def _list() -> None:
    from capacity.data.fetching.cache import cache_folder
    from capacity.data.fetching.catalogue import CATALOGUE
    from capacity.data.fetching.known import cached_bytes

    width = max(map(len, CATALOGUE))
    for name, known in CATALOGUE.items():
        share = cached_bytes(name) / known.size
        state = "in the cache" if share >= 1 else f"{share:.0%} in the cache" if share else "not in the cache"
        click.echo(f"{name:{width}}  {known.title}")
        click.echo(f"{'':{width}}  {known.size / 1e6:.1f} MB, {state}; licence: {known.licence}")
        click.echo(f"{'':{width}}  {known.page}")
    click.echo(f"cache: {cache_folder()}")
