"""Visual words of photographs: descriptors, vocabularies, histograms."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capacity.data import (
    ImageFolder,
    Vocabulary,
    find_images,
    import_image_words,
    learn_vocabulary,
    load_vocabulary,
)
from capacity.data.importers.sift import describe_patches, read_descriptors
from capacity.data.importers.vocabulary import images_to_learn_from
from capacity.errors import InputError
from tests.data_files import leftovers
from tests.image_files import texture, write_image, write_textures

cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'capacity-nn[images]'")

FLAT = np.full((40, 40), 7)
RAMP = np.tile(np.arange(40) * 6, (40, 1))
"""Brighter to the right, everywhere alike."""


@pytest.fixture
def images(tmp_path: Path) -> ImageFolder:
    return find_images(write_textures(tmp_path / "photos", each=6), test_fraction=0.25)


def words(*centres: Any) -> Vocabulary:
    return Vocabulary(np.array(centres, dtype=np.uint8), {})


# Descriptors


@pytest.mark.parametrize(
    ("height", "width", "count"),
    [(40, 40, 9 + 1), (20, 20, 1), (29, 39, 1 * 2), (19, 300, 0), (300, 225, 29 * 21 + 14 * 10 + 6 * 4)],
)
def test_patches_of_20_pixels_every_10_at_3_sizes(tmp_path: Path, height: int, width: int, count: int) -> None:
    path = write_image(tmp_path / "x.png", np.zeros((height, width)))
    assert read_descriptors(path).shape == (count, 128)


def test_descriptors_have_the_norm_512_or_0() -> None:
    found = describe_patches(texture(0)).astype(float)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 512, atol=8)  # rounded to whole numbers
    assert not describe_patches(FLAT.astype(np.uint8)).any()


def test_a_ramp_has_one_direction() -> None:
    for turns in range(4):
        histograms = describe_patches(np.rot90(RAMP, turns).astype(np.uint8)).reshape(-1, 4, 4, 8).astype(int)
        energy = (histograms**2).sum(axis=(0, 1, 2))
        assert energy.max() > 0.95 * energy.sum()


def test_a_patch_covers_20_pixels() -> None:
    """A point moves the descriptors of the patches that hold it, not those some pixels further on."""
    plain = texture(1, 60, 100)
    dotted = plain.copy()
    dotted[30, 50] = 255 - dotted[30, 50]
    moved = (describe_patches(plain) != describe_patches(dotted)).any(axis=1).reshape(5, 9)
    centres_y, centres_x = np.arange(10, 51, 10), np.arange(10, 91, 10)
    near = (abs(centres_y - 30) <= 10)[:, None] & (abs(centres_x - 50) <= 10)
    far = (abs(centres_y - 30) >= 30)[:, None] | (abs(centres_x - 50) >= 30)
    assert moved[near].all()
    assert not moved[far].any()


# Counting


def test_histograms_by_hand(tmp_path: Path) -> None:
    """Of 40 x 40 pixels: 9 patches, then one of 20 x 20, and none of 10 x 10."""
    right, down = (describe_patches(image.astype(np.uint8))[4] for image in (RAMP, RAMP.T))
    for name, image in (("a/flat.png", FLAT), ("a/right.png", RAMP), ("b/down.png", RAMP.T)):
        write_image(tmp_path / "photos" / name, image)
    write_image(tmp_path / "photos" / "b" / "narrow.png", np.zeros((10, 90)))
    data = import_image_words(find_images(tmp_path / "photos"), tmp_path / "o.h5", words(down, np.zeros(128), right))
    np.testing.assert_array_equal(data.train.features, [[0, 10, 0], [0, 0, 10], [10, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(data.train.labels, [0, 0, 1, 1])
    assert (data.train.features.dtype, data.scale, data.provenance["rows_of_zeros"]) == (np.uint8, 1.0, 1)


def test_counts_above_255_widen_the_type(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / "photos" / name / "1.png", np.zeros((300, 300)))
    data = import_image_words(find_images(tmp_path / "photos"), tmp_path / "o.h5", words(np.ones(128), np.zeros(128)))
    assert data.train.features.dtype == np.int16
    np.testing.assert_array_equal(data.train.features, [[0, 841 + 196 + 36]] * 2)


def test_the_nearest_word_is_exact() -> None:
    """Against whole-number arithmetic, at the largest values there are, with words equally near."""
    rng = np.random.default_rng(0)
    centres = rng.choice([0, 254, 255], (50, 128)).astype(np.uint8)
    centres[7] = centres[3]
    descriptors = np.concatenate([rng.choice([0, 254, 255], (500, 128)), centres[[7]]]).astype(np.uint8)
    distances = ((descriptors[:, None].astype(np.int64) - centres.astype(np.int64)) ** 2).sum(axis=2)
    expected = np.bincount(distances.argmin(axis=1), minlength=50)
    np.testing.assert_array_equal(Vocabulary(centres, {}).count(descriptors), expected)


# Learning


def test_k_means_finds_what_is_there(tmp_path: Path) -> None:
    for name, image in (("a/flat.png", FLAT), ("b/right.png", RAMP)):
        write_image(tmp_path / name, np.kron(image, np.ones((2, 2))))
    learnt = learn_vocabulary(find_images(tmp_path), 2)
    centres = learnt.words[np.argsort(learnt.words.sum(axis=1))].astype(int)
    assert not centres[0].any()
    histograms = centres[1].reshape(4, 4, 8)
    assert (histograms**2).sum(axis=(0, 1)).max() > 0.9 * (histograms**2).sum()


def test_words_are_centres_of_what_is_nearest_to_them(images: ImageFolder) -> None:
    learnt = learn_vocabulary(images, 5)
    descriptors = np.concatenate([read_descriptors(images.folder / name) for name in images.train]).astype(int)
    assert learnt.recipe == {"seed": 0, "images": 9, "descriptors": len(descriptors)}  # fewer than 100 a word: all
    nearest = ((descriptors[:, None] - learnt.words.astype(int)) ** 2).sum(axis=2).argmin(axis=1)
    means = np.array([descriptors[nearest == word].mean(axis=0) for word in range(5)])
    np.testing.assert_allclose(learnt.words, means, atol=1)


def test_words_are_learnt_from_training_images_only(images: ImageFolder) -> None:
    before = learn_vocabulary(images, 5).words
    for name in images.test:
        write_image(images.folder / name, RAMP)
    np.testing.assert_array_equal(learn_vocabulary(images, 5).words, before)


def test_a_seed_and_no_thread_decides(images: ImageFolder, tmp_path: Path) -> None:
    learnt = [learn_vocabulary(images, 8, seed=seed, threads=threads) for seed, threads in ((0, 1), (0, 2), (1, 1))]
    assert learnt[0].content() == learnt[1].content()
    assert not np.array_equal(learnt[0].words, learnt[2].words)
    digests = {
        import_image_words(images, tmp_path / "o.h5", learnt[0], threads=threads).digest for threads in (1, 2, 5)
    }
    assert len(digests) == 1


def test_many_images_are_drawn_from(images: ImageFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capacity.data.importers.vocabulary._MOST_DESCRIPTORS", 30)
    monkeypatch.setattr("capacity.data.importers.vocabulary._DESCRIPTORS_AN_IMAGE", 10)
    told: list[int] = []
    learnt = learn_vocabulary(images, 5, progress=told.append)
    assert learnt.recipe == {"seed": 0, "images": 3, "descriptors": 30}
    assert sum(told) == images_to_learn_from(images, 5) == 3


def test_too_many_words(images: ImageFolder) -> None:
    with pytest.raises(InputError, match=r"words is 1000, but .* give \d+ different descriptors"):
        learn_vocabulary(images, 1000)
    with pytest.raises(InputError, match=r"words is 1: expected a whole number in 2\.\.20000"):
        learn_vocabulary(images, 1)
    with pytest.raises(InputError, match="seed is -1"):
        learn_vocabulary(images, 5, seed=-1)


# Stored vocabularies


def test_a_stored_vocabulary_gives_identical_histograms(images: ImageFolder, tmp_path: Path) -> None:
    learnt = learn_vocabulary(images, 8)
    learnt.save(tmp_path / "v.npz")
    loaded = load_vocabulary(tmp_path / "v.npz")
    first = import_image_words(images, tmp_path / "a.h5", learnt)
    second = import_image_words(images, tmp_path / "b.h5", loaded)
    assert first.digest == second.digest
    stored = hashlib.sha256((tmp_path / "v.npz").read_bytes()).hexdigest()
    assert second.provenance["vocabulary"] == {"words": 8, **learnt.recipe, "sha256": stored}


def test_only_a_vocabulary_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is no vocabulary"):
        words(np.zeros(128), np.ones(128)).save(path)
    assert (path.read_text(encoding="utf-8"), leftovers(tmp_path)) == ("mine", ["v.npz"])
    with pytest.raises(InputError, match="cannot write"):
        words(np.zeros(128), np.ones(128)).save(tmp_path / "nowhere" / "v.npz")


def test_files_that_are_no_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    with pytest.raises(InputError, match="not found"):
        load_vocabulary(path)
    good = words(np.zeros(128), np.ones(128)).content()
    np.savez(tmp_path / "other.npz", words=np.zeros((2, 128)), recipe=np.array("{}"))
    np.savez(tmp_path / "pickle.npz", words=np.array([{}]), recipe=np.array("{}"))
    np.savez_compressed(tmp_path / "bomb.npz", words=np.zeros((600_000, 128), dtype=np.uint8), recipe=np.array("{}"))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    others = [(tmp_path / name).read_bytes() for name in ("other.npz", "pickle.npz", "bomb.npz")]
    for content in (b"", good[:-30], good[:100], *others):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is no vocabulary"):
            load_vocabulary(path)


def test_without_opencv(images: ImageFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for call in (
        lambda: learn_vocabulary(images, 5),
        lambda: import_image_words(images, tmp_path / "o.h5", words(np.zeros(128), np.ones(128))),
    ):
        with pytest.raises(InputError, match=r"SIFT needs OpenCV .*pip install 'capacity-nn\[images\]'"):
            call()
