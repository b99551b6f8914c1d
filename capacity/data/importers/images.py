"""Folders of photographs: a folder for each class, with or without a split into train and test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capacity.data.importers.photo import SUFFIXES, check_header, quiet_pillow
from capacity.data.importers.splitting import draw_test_rows
from capacity.data.sources import reading
from capacity.errors import InputError, did_you_mean


@dataclass(frozen=True, eq=False, repr=False)
class ImageFolder:
    """Photographs in classes.

    Attributes
    ----------
    folder : Path
    class_names : tuple of str
        Names of the class folders, sorted; a class' index is its place among them.
    train, test : tuple of str
        Paths of the images from `folder` on, sorted by class, then by name; `test` may be empty.
    train_labels, test_labels : ndarray (N,), (M,)
        Their class indices.
    skipped : int
        Files in class folders that are no images by their names.
    options : dict
        How the test split was drawn, if it was.
    """

    folder: Path
    class_names: tuple[str, ...]
    train: tuple[str, ...]
    train_labels: NDArray[np.int32]
    test: tuple[str, ...]
    test_labels: NDArray[np.int32]
    skipped: int
    options: dict[str, float]

    def __len__(self) -> int:
        return len(self.train) + len(self.test)

    def __repr__(self) -> str:
        return f"ImageFolder({self.folder}, N={len(self.train)}, M={len(self.test)}, K={len(self.class_names)})"


def find_images(folder: str | Path, *, test_fraction: float = 0.0, seed: int = 0) -> ImageFolder:
    """Find the images in a folder that has a folder for each class, and look at the header of each.

    An image is a file whose name ends in .bmp, .jpg, .jpeg, .pgm, .png, .ppm, .tif, .tiff or .webp. Hidden files and
    folders do not count.

    Parameters
    ----------
    folder : str or Path
        Holds class folders; or only `train` and, perhaps, `test`, which hold class folders.
    test_fraction : float
        Part of the images drawn for a test split, where there is no folder `test`.
    seed : int
        Seed of that draw.

    Returns
    -------
    ImageFolder

    Raises
    ------
    InputError
        A folder is not as expected, an image cannot be one by its header or has more than 100 megapixels, a symbolic
        link leads out of `folder`, or an option does not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: expected one with a folder of images for each class")
    inside = folder.resolve()
    top = _folders(folder, inside)
    split = set(top) <= {"train", "test"} and "train" in top
    class_names = tuple(_folders(folder / "train", inside) if split else top)
    if not class_names:
        raise InputError(f"{folder} holds no folders: expected a folder of images for each class")
    train = _Listing(folder, "train" if split else "", class_names, inside)
    if "test" in top and split:
        if test_fraction:
            raise InputError(
                f"test_fraction is {test_fraction}, but {folder} has a folder 'test': expected one of them"
            )
        strangers = sorted(set(_folders(folder / "test", inside)) - set(class_names))
        if strangers:
            hint = did_you_mean(strangers[0], class_names)
            raise InputError(f"{folder / 'test' / strangers[0]} has no counterpart in {folder / 'train'}{hint}")
        test = _Listing(folder, "test", class_names, inside)
        return ImageFolder(folder, class_names, *train.chosen(), *test.chosen(), train.skipped + test.skipped, {})
    drawn = draw_test_rows(len(train.names), test_fraction, seed, folder)
    options = {"test_fraction": test_fraction, "seed": seed} if test_fraction else {}
    return ImageFolder(folder, class_names, *train.chosen(~drawn), *train.chosen(drawn), train.skipped, options)


class _Listing:
    """The images of one split."""

    def __init__(self, root: Path, split: str, class_names: Sequence[str], inside: Path) -> None:
        self.names: list[str] = []
        self.skipped = 0
        labels: list[int] = []
        with quiet_pillow():
            for index, name in enumerate(class_names):
                place = root / split / name
                found = self._images(place, inside) if place.is_dir() else []
                if not found and split != "test":
                    raise InputError(f"{place} holds no images: expected files like {place.name}/1.jpg")
                for file in found:
                    check_header(place / file)
                self.names += [str(Path(split, name, file)) for file in found]
                labels += [index] * len(found)
        if not self.names:
            raise InputError(f"{root / split} holds no images: expected a folder of images for each class")
        self._labels = np.array(labels, dtype=np.int32)

    def chosen(self, mask: NDArray[np.bool_] | None = None) -> tuple[tuple[str, ...], NDArray[np.int32]]:
        """Return names and labels of all images, or of those where `mask` (N,) is true."""
        mask = np.ones(len(self.names), dtype=np.bool_) if mask is None else mask
        return tuple(self.names[row] for row in np.flatnonzero(mask)), self._labels[mask]

    def _images(self, place: Path, inside: Path) -> list[str]:
        found = []
        for entry in _entries(place, inside):
            if entry.is_dir():
                raise InputError(f"{entry.path} is a folder inside a class: expected image files only")
            if Path(entry.name).suffix.lower() not in SUFFIXES:
                self.skipped += 1
            elif not entry.is_file():
                raise InputError(f"{entry.path} is not a plain file: move it away")
            else:
                found.append(entry.name)
        return found


def _folders(place: Path, inside: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted."""
    return [entry.name for entry in _entries(place, inside) if entry.is_dir()]


def _entries(place: Path, inside: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted, without what is hidden; refuse a link that leads out of `inside`."""
    with reading(place, folder=True), os.scandir(place) as scan:
        entries = sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_symlink() and not _stays(Path(entry.path), inside):
            raise InputError(f"{entry.path} is a link that leads out of the folder: copy what it points to")
    return entries


def _stays(link: Path, inside: Path) -> bool:
    """Tell whether a link leads to something in a folder."""
    try:
        return link.resolve().is_relative_to(inside)
    except (OSError, RuntimeError):  # it leads to itself
        return False
