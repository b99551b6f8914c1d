"""Folders of photographs, and their pixels."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from capacity.data import find_images, import_image_pixels
from capacity.data.importers.photo import read_pyramid, read_square
from capacity.errors import InputError
from tests.data_files import leftovers
from tests.image_files import texture, write_image, write_textures

pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'capacity-nn[images]'")

ROTATED_RIGHT = 6  # EXIF orientation: the top row is the right side of what was seen


# Folders


def test_classes_are_sorted_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.PNG", "a/x.bmp", "c/1.pgm"):
        write_image(tmp_path / name, [[7]])
    (tmp_path / "b" / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "a" / ".hidden.png").write_text("no image", encoding="utf-8")
    (tmp_path / "readme.txt").write_text("mine", encoding="utf-8")
    found = find_images(tmp_path)
    assert found.class_names == ("a", "b", "c")
    assert found.train == ("a/x.bmp", "b/10.PNG", "b/2.png", "c/1.pgm")
    assert (found.train_labels.tolist(), found.test, found.skipped) == ([0, 1, 1, 2], (), 1)


def test_train_and_test(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/b/1.png", "train/c/1.png", "test/b/2.png", "test/c/3.png"):
        write_image(tmp_path / name, [[7]])
    found = find_images(tmp_path)
    assert (found.class_names, found.train_labels.tolist()) == (("a", "b", "c"), [0, 1, 2])
    assert (found.test, found.test_labels.tolist()) == (("test/b/2.png", "test/c/3.png"), [1, 2])
    with pytest.raises(InputError, match="has a folder 'test': expected one of them"):
        find_images(tmp_path, test_fraction=0.5)
    write_image(tmp_path / "test" / "d" / "1.png", [[7]])
    with pytest.raises(InputError, match=r"test/d has no counterpart in .*train"):
        find_images(tmp_path)


def test_a_split_drawn_by_image(tmp_path: Path) -> None:
    write_textures(tmp_path, each=5)
    found = find_images(tmp_path, test_fraction=0.3, seed=1)
    assert (len(found.train), len(found.test)) == (7, 3)
    assert sorted(found.train + found.test) == list(find_images(tmp_path).train)
    assert list(found.test) == sorted(found.test)
    assert [name[0] for name in found.test] == ["ab"[label] for label in found.test_labels]
    assert find_images(tmp_path, test_fraction=0.3, seed=1).test == found.test
    assert find_images(tmp_path, test_fraction=0.3, seed=2).test != found.test


def test_folders_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no folders"):
        find_images(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="a holds no images"):
        find_images(tmp_path)
    write_image(tmp_path / "a" / "b" / "1.png", [[1]])
    with pytest.raises(InputError, match="is a folder inside a class"):
        find_images(tmp_path)


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    root = write_textures(tmp_path / "photos")
    secret = write_image(tmp_path / "secret.png", [[1]])
    (root / "a" / "inside.png").symlink_to(root / "b" / "0.png")
    assert "a/inside.png" in find_images(root).train
    for link, target in ((root / "a" / "out.png", secret), (root / "z", tmp_path), (root / "b" / "x.txt", secret)):
        link.symlink_to(target)
        with pytest.raises(InputError, match=f"{link.name} is a link that leads out"):
            find_images(root)
        link.unlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    write_textures(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe.png")
    with pytest.raises(InputError, match="is not a plain file"):
        find_images(tmp_path)


# Photographs


def png_header(width: int, height: int) -> bytes:
    """Return a PNG file that announces a size and holds next to nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_001, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    write_textures(tmp_path)
    (tmp_path / "a" / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(InputError, match=r"bomb\.png .*pixels"):
        find_images(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"])
def test_damaged_images_are_named(tmp_path: Path, suffix: str) -> None:
    write_textures(tmp_path)
    path = write_image(tmp_path / "a" / f"broken{suffix}", texture(1, 200, 200))
    content = path.read_bytes()
    for length in (len(content) // 2, 40, 0):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=rf"broken\{suffix} cannot be read as an image"):
            import_image_pixels(find_images(tmp_path), tmp_path / "out.h5", threads=1)
    assert leftovers(tmp_path) == ["a", "b"]


def test_a_text_named_like_an_image(tmp_path: Path) -> None:
    write_textures(tmp_path)
    (tmp_path / "a" / "x.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0", encoding="utf-8")
    with pytest.raises(InputError, match=r"x\.jpg cannot be read as an image \(cannot identify image file\)"):
        find_images(tmp_path)


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    from PIL import Image

    seen = texture(3, 20, 30)
    exif = Image.Exif()
    exif[0x0112] = ROTATED_RIGHT
    path = write_image(tmp_path / "x.png", np.rot90(seen), exif=exif)
    np.testing.assert_array_equal(read_pyramid(path, longest=300, levels=1)[0], seen)


def test_values_of_other_kinds(tmp_path: Path) -> None:
    from PIL import Image

    deep = np.array([[0, 255, 256], [40_000, 65_280, 65_535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "16.png")
    colours = np.array([[[255, 0, 0, 9], [0, 255, 0, 0], [0, 0, 255, 255]]], dtype=np.uint8)
    Image.fromarray(colours).save(tmp_path / "rgba.png")
    Image.fromarray(colours).convert("P").save(tmp_path / "palette.png", transparency=b"\0\7")
    (grey,) = read_pyramid(tmp_path / "16.png", longest=300, levels=1)
    np.testing.assert_array_equal(grey, deep // 256)
    for name in ("rgba", "palette"):
        (grey,) = read_pyramid(tmp_path / f"{name}.png", longest=300, levels=1)
        np.testing.assert_array_equal(grey, [[76, 150, 29]])  # 0.299, 0.587 and 0.114 of 255
    Image.fromarray(np.array([[0.5, 1.5]], dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(InputError, match="not of 8 or 16 bits"):
        read_pyramid(tmp_path / "float.tif", longest=300, levels=1)


def test_sizes_of_a_pyramid(tmp_path: Path) -> None:
    path = write_image(tmp_path / "x.png", np.zeros((400, 601)))
    assert [level.shape for level in read_pyramid(path, longest=300, levels=3)] == [(200, 300), (100, 150), (50, 75)]
    path = write_image(tmp_path / "small.png", [[10, 30], [50, 70]])
    assert [level.tolist() for level in read_pyramid(path, longest=300, levels=2)] == [[[10, 30], [50, 70]], [[40]]]


def test_a_large_jpeg_is_averaged(tmp_path: Path) -> None:
    """Decoding at a part of the size, and averaging, give what averaging the whole gives, up to rounding."""
    pixels = np.kron(texture(5, 60, 60), np.ones((16, 16)))
    path = write_image(tmp_path / "x.jpg", pixels, quality=95)
    (grey,) = read_pyramid(path, longest=60, levels=1)
    np.testing.assert_allclose(grey.astype(float), texture(5, 60, 60), atol=4)


# Pixels


def test_pixels_by_hand(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "1.png", [[9, 10, 20, 9], [9, 30, 40, 9]])  # its middle
    write_image(tmp_path / "b" / "1.png", np.repeat([[0], [0], [100], [200], [9], [9]], 2, axis=1))
    data = import_image_pixels(find_images(tmp_path), tmp_path / "out.h5", size=2)
    np.testing.assert_array_equal(data.train.features, [[10, 20, 30, 40], [100, 100, 200, 200]])
    assert (data.train.features.dtype, data.scale, data.class_names) == (np.uint8, 1 / 255, ("a", "b"))
    data = import_image_pixels(find_images(tmp_path), tmp_path / "out.h5", size=1)
    np.testing.assert_array_equal(data.train.features, [[25], [150]])


def test_small_images_repeat_their_pixels(tmp_path: Path) -> None:
    path = write_image(tmp_path / "x.png", [[1, 2], [3, 4]])
    np.testing.assert_array_equal(
        read_square(path, size=4, colour=False), np.kron([[1, 2], [3, 4]], np.ones((2, 2), dtype=int))
    )


def test_colours_lie_side_by_side(tmp_path: Path) -> None:
    write_image(tmp_path / "a" / "1.png", [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]])
    write_image(tmp_path / "b" / "1.png", [[50, 50], [50, 50]])
    data = import_image_pixels(find_images(tmp_path), tmp_path / "out.h5", size=2, colour=True)
    np.testing.assert_array_equal(data.train.features, [range(1, 13), [50] * 12])


def test_provenance(tmp_path: Path) -> None:
    root = write_textures(tmp_path / "photos", each=2)
    (root / "a" / "notes.txt").write_text("mine", encoding="utf-8")
    write_image(root / "b" / "black.png", np.zeros((3, 3)))
    origin = import_image_pixels(find_images(root), tmp_path / "out.h5", size=5).provenance
    names = ["a/0.png", "a/1.png", "b/0.png", "b/1.png", "b/black.png"]
    lines = [f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    assert origin["sources"] == [
        {
            "folder": "photos",
            "images": 5,
            "bytes": sum((root / name).stat().st_size for name in names),
            "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        }
    ]
    assert origin["options"] == {"features": "pixels", "size": 5, "colour": False}
    assert (origin["skipped_files"], origin["rows_of_zeros"]) == (1, 1)


def test_threads_do_not_change_the_result(tmp_path: Path) -> None:
    images = find_images(write_textures(tmp_path / "photos", each=12), test_fraction=0.25)
    done: list[int] = []
    digests = {
        import_image_pixels(images, tmp_path / "out.h5", size=4, threads=threads, progress=done.append).digest
        for threads in (1, 2, 5)
    }
    assert (len(digests), sum(done)) == (1, 3 * 24)


def test_options_that_do_not_fit(tmp_path: Path) -> None:
    images = find_images(write_textures(tmp_path / "photos"))
    with pytest.raises(InputError, match=r"size is 0: expected a whole number in 1\.\.1024"):
        import_image_pixels(images, tmp_path / "out.h5", size=0)
    with pytest.raises(InputError, match="there is no folder"):
        import_image_pixels(images, tmp_path / "nowhere" / "out.h5")
    with pytest.raises(InputError, match=r"test_fraction is 1\.5"):
        find_images(images.folder, test_fraction=1.5)
