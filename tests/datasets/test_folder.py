"""A user's own images: odd ones are handled on purpose, and what cannot be used is named."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import config, download, prepare, tasks
from stages.datasets.test_set import read_test

SIZE = 8


@pytest.fixture
def images(project):
    """A folder of 20 plain images of each of two classes; returns its path."""
    root = project(
        {
            "data.source": "folder",
            "data.folder": {"path": "data/images", "image_size": SIZE, "max_unreadable": 0.2},
            "splits": {"first": 0, "seeds": 2, "train": 8, "val": 8},
        }
    )
    folder = root / "data/images"
    generator = np.random.default_rng(0)
    for name in ("ant", "bee"):
        for number in range(20):
            _save(folder / f"train/{name}/{number:02}.png", generator.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    return folder


def _save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


def _run():
    download.main()
    prepare.main()
    return json.loads(prepare.CARD.read_text())


def _fails(capsys, *said):
    with pytest.raises(SystemExit) as exit_:
        _run()
    assert exit_.value.code == 1
    error = capsys.readouterr().err
    for text in said:
        assert text in error
    return error


def _prepared(images, name, save):
    """One odd image, as the only one of its class in val: what becomes of it (SIZE, SIZE, 3)."""
    save(images / "val/ant" / name)
    _save(images / "val/bee/plain.png", np.full((4, 4, 3), 77, np.uint8))
    card = _run()
    assert card["unreadable"] == []
    return read_test().images[0]


def test_without_val_a_stratified_fifth_is_the_test_set(images):
    card = _run()
    assert card["counts"] == {"pool": {"ant": 16, "bee": 16}, "test": {"ant": 4, "bee": 4}}
    assert card["image"] == {"height": SIZE, "width": SIZE, "channels": 3}
    assert card["tasks"]["partly_random"]["origin"] == "labels redrawn uniformly from all classes; from seed 2021"
    pool = {image.tobytes() for image in tasks.read().images}
    assert not pool & {image.tobytes() for image in read_test().images}


def test_with_val_it_is_the_test_set(images):
    for name, grey in (("ant", 10), ("bee", 20)):
        _save(images / f"val/{name}/x.png", np.full((5, 5, 3), grey, np.uint8))
    card = _run()
    assert card["counts"] == {"pool": {"ant": 20, "bee": 20}, "test": {"ant": 1, "bee": 1}}
    assert card["test_origin"] == "the folder val"


def test_nothing_is_copied_and_the_manifest_lists_the_files(images):
    download.main()
    assert [path.name for path in Path("data/raw/folder").iterdir()] == ["manifest.json"]
    files = json.loads(Path("data/raw/folder/manifest.json").read_text())["files"]
    assert list(files) == [f"train/{name}/{number:02}.png" for name in ("ant", "bee") for number in range(20)]


def test_an_image_in_test_and_pool_leaves_the_pool(images):
    for name, grey in (("ant", 10), ("bee", 20)):
        _save(images / f"val/{name}/x.png", np.full((5, 5, 3), grey, np.uint8))
    original = (images / "train/ant/03.png").read_bytes()
    (images / "val/ant/copy.png").write_bytes(original)
    (images / "train/bee/copy_of_bee.png").write_bytes((images / "train/bee/05.png").read_bytes())
    card = _run()
    assert card["duplicates"] == {"removed_from_pool": 1, "within_pool": 1, "within_test": 0}
    assert card["counts"]["pool"] == {"ant": 19, "bee": 21}
    assert len(tasks.read().images) == 40


RED, WHITE = (255, 0, 0), (255, 255, 255)


def _palette(path):
    image = Image.new("P", (6, 6), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path)


def _transparent_palette(path):
    image = Image.new("P", (6, 6), 1)
    image.putpalette([0, 0, 0, *RED])
    image.save(path, transparency=1)


def _animated(path):
    frames = [Image.new("RGB", (6, 6), colour) for colour in (RED, (0, 0, 255))]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _grey16(path):
    Image.fromarray(np.full((6, 6), 128 * 257, np.uint16)).save(path)


def _grey16_pgm(path):
    path.write_bytes(b"P5 6 6 65535\n" + struct.pack(">H", 128 * 257) * 36)


@pytest.mark.parametrize(
    ("name", "make", "colour"),
    [
        ("palette.png", _palette, RED),
        ("transparent_palette.png", _transparent_palette, WHITE),
        ("grey.png", lambda path: Image.new("L", (6, 6), 90).save(path), (90, 90, 90)),
        ("black_and_white.png", lambda path: Image.new("1", (6, 6), 1).save(path), WHITE),
        ("rgba.png", lambda path: Image.new("RGBA", (6, 6), (*RED, 255)).save(path), RED),
        ("hidden_colour.png", lambda path: Image.new("RGBA", (6, 6), (*RED, 0)).save(path), WHITE),
        ("grey_alpha.png", lambda path: Image.new("LA", (6, 6), (0, 0)).save(path), WHITE),
        ("cmyk.tiff", lambda path: Image.new("CMYK", (6, 6), (0, 255, 255, 0)).save(path), RED),
        ("grey16.png", _grey16, (128, 128, 128)),
        ("grey16.tiff", _grey16, (128, 128, 128)),
        ("grey16.pgm", _grey16_pgm, (128, 128, 128)),
        ("animated.gif", _animated, RED),
        ("animated.png", _animated, RED),
        ("no_suffix", lambda path: Image.new("RGB", (6, 6), RED).save(path, "BMP"), RED),
        ("one_pixel.webp", lambda path: Image.new("RGB", (1, 1), RED).save(path, lossless=True), RED),
        ("bildchen_äöü 画像.png", lambda path: Image.new("RGB", (6, 6), RED).save(path), RED),
    ],
)
def test_odd_images_become_rgb(images, name, make, colour):
    def save(path):
        path.parent.mkdir(parents=True)
        make(path)

    assert (_prepared(images, name, save) == colour).all()


def test_exif_orientation_is_obeyed(images):
    """Stored lying on its side, shown upright: the dark half is on the left."""
    upright = np.zeros((64, 64, 3), np.uint8)
    upright[:, 32:] = 255

    def save(path):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise by a quarter
        _save(path, np.rot90(upright), exif=exif, quality=95)

    shown = _prepared(images, "photo.jpg", save).astype(int)
    assert (shown[:, :3] < 30).all()
    assert (shown[:, 5:] > 225).all()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_resizing_is_antialiased(images, suffix):
    """A fine checkerboard turns grey; taking single pixels would keep it black and white."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    shown = _prepared(images, f"board.{suffix}", lambda path: _save(path, board)).astype(int)
    assert (np.abs(shown - 127) < 8).all()


def test_the_whole_image_is_kept(images):
    """A wide image is squeezed, not cropped: both ends are still there."""
    wide = np.zeros((10, 400, 3), np.uint8)
    wide[:, :200] = RED
    shown = _prepared(images, "wide.png", lambda path: _save(path, wide)).astype(int)
    assert (np.abs(shown[:, :3] - RED) < 30).all()
    assert (shown[:, 5:] < 30).all()


def _header(width, height):
    """A PNG file that only claims to be large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _jpeg():
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


UNREADABLE = {
    "README.md": (b"These are my images.", "it is not one of"),
    "empty.png": (b"", "it is not one of"),
    "truncated.jpg": (_jpeg()[:1000], "truncated"),
    "bomb.png": (_header(60_000, 60_000), "more than 89,478,485 pixels"),
    "almost_a_bomb.png": (_header(10_000, 9_000), "more than 89,478,485 pixels"),
    "garbled.png": (_header(6, 6), ""),
}


def test_unreadable_files_are_named_and_left_out(images):
    for name, (content, _) in UNREADABLE.items():
        (images / "train/ant" / name).write_bytes(content)
    Image.new("F", (6, 6)).save(images / "train/ant/float.tiff")
    (images / "train/loose.png").write_bytes((images / "train/ant/01.png").read_bytes())
    card = _run()
    reasons = {entry["file"]: entry["reason"] for entry in card["unreadable"]}
    expected = {f"train/ant/{name}": reason for name, (_, reason) in UNREADABLE.items()}
    expected |= {"train/ant/float.tiff": "no known range", "train/loose.png": "not in a class folder"}
    assert reasons.keys() == expected.keys()
    assert all(expected[file] in reason for file, reason in reasons.items())
    assert all("0x" not in reason and str(images) not in reason for reason in reasons.values())
    assert sum(card["counts"]["pool"].values()) + sum(card["counts"]["test"].values()) == 40


def test_too_many_unreadable_files_are_refused(images, capsys):
    for number in range(11):  # of 51 files: more than a fifth
        (images / f"train/bee/broken{number:02}.jpg").write_bytes(b"")
    error = _fails(
        capsys, "11 of 51 files are unreadable", "data.folder.max_unreadable", "train/bee/broken03.jpg", "and 1 more"
    )
    assert "broken10" not in error


def test_litter_is_passed_over(images):
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._01.png"):
        (images / "train/ant" / name).write_bytes(b"litter")
        (images / "train" / name).write_bytes(b"litter")
    (images / "train/.cache").mkdir()
    (images / "README.md").write_text("outside train and val")
    card = _run()
    assert card["unreadable"] == []
    assert card["classes"] == ["ant", "bee"]


def test_an_empty_folder_says_what_to_put_there(project, capsys):
    root = project({"data.source": "folder"})
    (root / "data/images").mkdir(parents=True)
    (root / "data/images/.gitkeep").touch()
    _fails(capsys, "data/images holds no images", "data/images/train/<class>/", "data.folder.path")


def test_one_class_is_too_few(images, capsys):
    for file in (images / "train/bee").iterdir():
        file.unlink()
    _fails(capsys, "at least two folders", "found ant")


def test_train_and_val_must_hold_the_same_classes(images, capsys):
    _save(images / "val/ant/x.png", np.zeros((4, 4, 3), np.uint8))
    _save(images / "val/cow/x.png", np.zeros((4, 4, 3), np.uint8))
    _fails(capsys, "train and val must hold the same classes", "bee, cow")


def test_a_class_too_rare_to_test(images, capsys):
    _save(images / "train/cow/x.png", np.zeros((4, 4, 3), np.uint8))
    _fails(capsys, "cow", "a folder val")


def test_a_folder_inside_a_class_is_refused(images, capsys):
    _save(images / "train/ant/more/x.png", np.zeros((4, 4, 3), np.uint8))
    _fails(capsys, "train/ant/more is a folder")


def test_a_broken_link_is_named(images, capsys):
    (images / "train/ant/gone.png").symlink_to("00.pgn")
    _fails(capsys, "train/ant/gone.png cannot be read")


def test_links_within_the_folder_are_followed(images):
    _save(images / "all/x.png", np.full((4, 4, 3), 77, np.uint8))
    (images / "train/ant/x.png").symlink_to("../../all/x.png")
    (images / "train/ant/00.png").rename(images / "all/00.png")
    (images / "train/ant/00.png").symlink_to(images.absolute() / "all/00.png")
    assert _run()["counts"] == {"pool": {"ant": 17, "bee": 16}, "test": {"ant": 4, "bee": 4}}


def test_the_folder_itself_may_be_a_link(images):
    elsewhere = images.parent.parent / "elsewhere"
    images.rename(elsewhere)
    images.symlink_to(elsewhere)
    assert sum(_run()["counts"]["pool"].values()) == 32


@pytest.mark.parametrize("start", [download.main, config.main], ids=["download", "make repro"])
def test_links_out_of_the_folder_and_what_is_no_file_are_named_and_refused(images, capsys, monkeypatch, start):
    """Also before DVC opens all that lies in the folder: it would wait for a pipe for ever."""
    monkeypatch.setattr(sys, "argv", ["stages.config"])
    outside = images.parent / "outside"
    _save(outside / "x.png", np.zeros((4, 4, 3), np.uint8))
    links = {"train/ant/a.png": outside / "x.png", "train/ant/b.png": "/nowhere/b.png", "train/cow": outside}
    links |= {"train/ant/zero.png": "/dev/zero", "train/ant/up.png": "../../../outside/x.png", "note": "/etc/hostname"}
    for name, target in links.items():
        (images / name).symlink_to(target)
    os.mkfifo(images / "train/bee/pipe.png")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(images / "train/bee/socket"))
        with pytest.raises(SystemExit):
            start()
    error = capsys.readouterr().err
    for name in links:
        assert f"{name}: a link to" in error
    for name in ("train/bee/pipe.png", "train/bee/socket"):
        assert f"{name}: neither a file nor a folder" in error
    for text in (str(outside / "x.png"), "outside of data/images", "data.folder.path"):
        assert text in error


def test_a_pipe_that_takes_the_place_of_a_file_later(images, capsys):
    download.main()
    (images / "train/ant/00.png").unlink()
    os.mkfifo(images / "train/ant/00.png")
    with pytest.raises(SystemExit):
        prepare.main()
    assert "train/ant/00.png is not a file" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["copy", "other file format", "in val", "link"])
def test_an_image_under_two_classes_is_named_and_refused(images, capsys, kind):
    original = images / "train/ant/03.png"
    copy = images / {"in val": "val/bee/z.png", "other file format": "train/bee/z.bmp"}.get(kind, "train/bee/z.png")
    for name in ("ant", "bee") if kind == "in val" else ():
        _save(images / f"val/{name}/x.png", np.full((5, 5, 3), 100 * (name == "bee"), np.uint8))
    if kind == "link":
        copy.symlink_to(original.absolute())
    elif kind == "other file format":
        Image.open(original).save(copy)
    else:
        shutil.copy(original, copy)
    _fails(capsys, "must not lie in several classes; 1 do", f"train/ant/03.png: also {copy.relative_to(images)}")


def test_a_test_set_that_is_a_copy_of_the_training_images(images, capsys):
    shutil.copytree(images / "train", images / "val")
    _fails(capsys, "every image in train of ant, bee is also in the test set (the folder val)", "Delete it")


def test_a_test_set_that_holds_most_of_the_training_images(images, capsys):
    shutil.copytree(images / "train", images / "val")
    for name in ("ant", "bee"):
        for number in range(4):
            (images / f"val/{name}/{number:02}.png").unlink()
    _fails(capsys, "there are 8 outside the test set", "32 more are left out, because they are also in the test set")


def test_a_name_that_is_no_text_is_refused(images, capsys):
    (images / "train/ant" / os.fsdecode(b"caf\xe9.png")).touch()
    _fails(capsys, "is not valid UTF-8")


def test_fewer_images_than_the_splits_ask_for(images, capsys):
    for file in list((images / "train/bee").iterdir())[:10]:
        file.unlink()
    for file in list((images / "train/ant").iterdir())[:12]:
        file.unlink()
    _fails(capsys, "splits.train + splits.val", "8 + 8", "14 outside the test set")


def test_an_image_that_changed_since_download(images, capsys):
    download.main()
    _save(images / "train/ant/00.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(SystemExit):
        prepare.main()
    assert "train/ant/00.png has changed" in capsys.readouterr().err


def test_two_runs_write_the_same_bytes(images):
    outputs = ("data/raw/folder/manifest.json", "data/pool.npz", "data/test.npz", "data/splits.json", "data/card.json")
    (images / "train/ant/broken.jpg").write_bytes(b"")
    _run()
    before = [Path(path).read_bytes() for path in outputs]
    _run()
    assert [Path(path).read_bytes() for path in outputs] == before
