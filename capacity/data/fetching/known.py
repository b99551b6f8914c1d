"""Well-known sets by name: from the cache, from a folder that one has, or from the network."""

from __future__ import annotations

from pathlib import Path

from capacity.data.dataset import Dataset
from capacity.data.fetching.cache import CACHE_VARIABLE, OFFLINE_VARIABLE, RemoteFile, cache_folder, fault, is_offline
from capacity.data.fetching.catalogue import CATALOGUE, KnownSet
from capacity.data.fetching.download import fetch
from capacity.data.fetching.part import Progress
from capacity.data.sources import reading
from capacity.errors import InputError, did_you_mean


def get_dataset(
    name: str,
    out: str | Path | None = None,
    *,
    source: str | Path | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Download a well-known set, unless it is there already, and import it as a data set file.

    Every file's SHA-256 is pinned and compared before the file is used, wherever it comes from. Downloads are kept in
    `cached_folder(name)`; one that was cut is resumed.

    Parameters
    ----------
    name : str
        A key of `CATALOGUE`: "mnist", "fashion-mnist", "cifar10", "cifar100", "covtype", "adult".
    out : str or Path, optional
        The HDF5 file to make. Default: `name`.h5 in the current folder. As by every importer, an HDF5 file is replaced
        and any other refused.
    source : str or Path, optional
        A folder with the set's original files under their names, or the file of a set that has one. Gzipped files may
        also be decompressed or compressed anew. No connection is made.
    offline : bool, optional
        Make no connection. Default: what `CAPACITY_OFFLINE` says, else False.
    progress : callable, optional
        Told how many bytes of the files have been added, `CATALOGUE[name].size` in all; a negative number where a
        download starts anew. Not called when `source` is given.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The name is unknown; a file is missing, is another than the original, or cannot be fetched; the cache folder
        refuses it; or `out` cannot be written.
    """
    known = find_known(name)
    target = Path(f"{name}.h5" if out is None else out)
    if not target.parent.is_dir():  # said before the download, not after it
        raise InputError(f"cannot write {target}: there is no folder {target.parent}")
    if source is not None:
        files = [_given(file, Path(source), known) for file in known.files]
    else:
        folder = cached_folder(name)
        without = is_offline() if offline is None else offline
        files = [_cached(file, folder, progress) or _missing(file, folder, without, progress) for file in known.files]
    return known.importer(files, target, name)


def find_known(name: str) -> KnownSet:
    """Return the entry of a set; an unknown name is an InputError that lists or suggests names."""
    if name not in CATALOGUE:
        raise InputError(f"no known data set '{name}'{did_you_mean(name, CATALOGUE)}")
    return CATALOGUE[name]


def cached_folder(name: str) -> Path:
    """Return where the downloaded files of a set are kept: `CAPACITY_CACHE` or the platform's cache folder."""
    return cache_folder() / "data" / name


def cached_bytes(name: str) -> int:
    """Return how many bytes of a set's files are in the cache, parts of files included; nothing is verified."""
    folder = cached_folder(name)
    return sum(
        min(path.stat().st_size, file.original.size)
        for file in find_known(name).files
        for path in (folder / file.name, folder / f"{file.name}.part")
        if path.is_file()
    )


def _given(file: RemoteFile, source: Path, known: KnownSet) -> Path:
    """Return the user's own copy of a file, verified."""
    if source.is_dir():
        names = dict.fromkeys([file.name, file.name.removesuffix(".gz")])
        paths = [path for path in map(source.joinpath, names) if path.is_file()]
        if not paths:
            raise InputError(f"{source} lacks {' or '.join(names)}: expected a folder with the set's original files")
    elif len(known.files) > 1 and source.exists():
        names = dict.fromkeys(each.name for each in known.files)
        raise InputError(f"{source} is one file: expected a folder with {', '.join(names)}")
    elif source.exists() and not source.is_file():
        raise InputError(f"{source} is neither a folder nor a file: expected the set's original files")
    else:
        paths = [source]
    faults = [fault(path, file) for path in paths]
    for path, wrong in zip(paths, faults, strict=True):
        if wrong is None:
            return path
    raise InputError(f"{paths[0]} is not the original {file.name}: it {faults[0]}; fetch it again from {file.urls[0]}")


def _cached(file: RemoteFile, folder: Path, progress: Progress | None) -> Path | None:
    """Return the copy in the cache, verified; None where there is none or it is damaged."""
    path = folder / file.name
    with reading(path):
        if not path.is_file() or fault(path, file) is not None:
            return None
    if progress is not None:
        progress(file.original.size)
    return path


def _missing(file: RemoteFile, folder: Path, offline: bool, progress: Progress | None) -> Path:
    if offline:
        state = "is damaged" if (folder / file.name).exists() else "is not there"
        raise InputError(
            f"{folder / file.name} {state}, and no connection is made ({OFFLINE_VARIABLE} or --offline): put the file "
            f"from {file.urls[0]} there, or name a folder that has it with --from ({CACHE_VARIABLE} moves the cache)"
        )
    return fetch(file, folder, progress=progress)
