"""The afhq source on small archives of the same layout; the counts are the only thing made smaller."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from stages import download, prepare, tasks
from stages.datasets.sources import afhq
from stages.datasets.test_set import read_test

COUNTS = {"train": {"cat": 12, "dog": 10, "wild": 9}, "val": {"cat": 3, "dog": 3, "wild": 3}}
CLASSES = ("cat", "dog", "wild")


def _encode(pixels, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _decode(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def photos():
    """By part and file name: the true class and a JPEG file of noise, no two alike."""
    generator = np.random.default_rng(0)
    return {
        (part, f"photo_{name}_{number:03}.jpg"): (
            name,
            _encode(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)),
        )
        for part, counts in COUNTS.items()
        for name, count in counts.items()
        for number in range(count)
    }


@pytest.fixture
def wrong(photos):
    """By file name: the class in the partly random archive (every third is the next one) and in the random one."""
    train = [file for part, file in photos if part == "train"]
    true = {file: CLASSES.index(photos["train", file][0]) for file in train}
    return {
        "afhq_10_32x32": {file: CLASSES[(true[file] + (n % 3 == 0)) % 3] for n, file in enumerate(train)},
        "afhq_random_32x32": {file: CLASSES[n % 3] for n, file in enumerate(train)},
    }


@pytest.fixture
def mirror(photos, wrong, tmp_path, monkeypatch, pauses):
    """A folder of the three archives as they should be; `pack` packs one of them anew."""
    monkeypatch.setattr(afhq, "COUNTS", COUNTS)
    monkeypatch.setattr(afhq, "URLS", dict.fromkeys(afhq.ARCHIVES, "http://127.0.0.1:9/none"))
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("REGBENCH_MIRROR", str(folder))

    def pack(name, files):
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            for path, content in files.items():
                archive.writestr(path, content)

    pack("afhq", {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()})
    for name, labels in wrong.items():
        pack(name, _noisy(name, labels, photos))
    return pack


def _noisy(name, labels, photos, rename=str, recode=bytes):
    """The paths and contents of a noisy archive; its order is not that of the clean one."""
    return {
        f"{name}/{name[:7]}/train/{labels[file]}/{rename(file)}": recode(photos["train", file][1])
        for file in sorted(labels, reverse=True)
    }


@pytest.fixture
def run(project, mirror):
    return project(
        {
            "data.source": "afhq",
            "splits": {"first": 0, "seeds": 2, "train": 6, "val": 9},
        }
    )


def _fails(main, capsys, *said):
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    error = capsys.readouterr().err
    for text in said:
        assert text in error


def _check_pool(photos, wrong):
    """Every image stands once in the pool with its labels; returns the card."""
    pool = tasks.read()
    assert pool.classes == CLASSES
    assert pool.images.shape == (31, 32, 32, 3)
    position = {image.tobytes(): n for n, image in enumerate(pool.images)}
    for (part, file), (label, content) in photos.items():
        if part == "train":
            n = position[_decode(content).tobytes()]
            assert CLASSES[pool.tasks["clean"].labels[n]] == label
            assert CLASSES[pool.tasks["partly_random"].labels[n]] == wrong["afhq_10_32x32"][file]
            assert CLASSES[pool.tasks["random"].labels[n]] == wrong["afhq_random_32x32"][file]
    return json.loads(prepare.CARD.read_text())


def test_end_to_end(run, photos, wrong):
    download.main()
    prepare.main()
    card = _check_pool(photos, wrong)
    assert card["counts"] == {"pool": COUNTS["train"], "test": COUNTS["val"]}
    assert card["title"] == "Images from a mirror, not verified to be Animal Faces (AFHQ)"
    assert card["tasks"]["clean"]["wrong_share"] == 0
    assert card["tasks"]["partly_random"]["wrong_share"] == 11 / 31
    assert "31 by file content" in card["tasks"]["random"]["origin"]
    test = read_test()
    val = {(_decode(content).tobytes(), label) for (part, _), (label, content) in photos.items() if part == "val"}
    assert {(i.tobytes(), CLASSES[n]) for i, n in zip(test.images, test.labels, strict=True)} == val
    splits = tasks.read().tasks["clean"].splits
    sizes = {seed: (len(split.train), len(split.val)) for seed, split in splits.items()}
    assert sizes == dict.fromkeys((0, 1, 1000), (6, 9))  # the last is that of the search


def test_credentials_of_a_mirror_are_used_and_shown_nowhere(run, tmp_path, server, answer, monkeypatch, capfd):
    for path in (tmp_path / "mirror").iterdir():
        server.answer(f"/{path.name}", answer(path.read_bytes()))
    server.credentials = "someone:topsecret"
    monkeypatch.setenv("REGBENCH_MIRROR", server.address.replace("//", f"//{server.credentials}@"))
    download.main()
    prepare.main()
    assert len(server.requests) == 3
    printed = "".join(capfd.readouterr())
    assert f"afhq.zip from {server.address}/afhq.zip" in printed
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert tmp_path / "data/raw/afhq/manifest.json" in written
    assert tmp_path / "data/card.json" in written
    for secret in server.credentials.split(":"):
        assert secret not in printed
        assert [path for path, content in written.items() if secret.encode() in content] == []


def _as_png(content):
    return _encode(_decode(content), "PNG")


def _coarser(content):
    return _encode(_decode(content), quality=30)


def _renamed(file):
    return f"renamed_{file}"


@pytest.mark.parametrize(
    ("rename", "recode", "found_by"),
    [(_renamed, bytes, "file content"), (_renamed, _as_png, "pixels"), (str, _coarser, "file name")],
)
def test_images_are_matched_by_content_else_by_name(run, mirror, photos, wrong, rename, recode, found_by):
    for name, labels in wrong.items():
        mirror(name, _noisy(name, labels, photos, rename, recode))
    download.main()
    prepare.main()
    card = _check_pool(photos, wrong)
    assert f"31 by {found_by}" in card["tasks"]["partly_random"]["origin"]


def test_content_counts_more_than_names(run, mirror, photos, wrong):
    """An archive in which two images have swapped their names."""
    name, labels = "afhq_10_32x32", wrong["afhq_10_32x32"]
    first, second = list(labels)[:2]
    swapped = {first: second, second: first}
    mirror(name, _noisy(name, labels, photos, lambda file: swapped.get(file, file)))
    download.main()
    prepare.main()
    _check_pool(photos, wrong)


def test_equal_images_are_told_apart_by_name(run, mirror, photos, wrong):
    files = list(wrong["afhq_10_32x32"])
    one, other = files[0], files[-1]  # a cat and a wild animal that are the same picture
    photos["train", other] = (photos["train", other][0], photos["train", one][1])
    mirror("afhq", {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()})
    for name, labels in wrong.items():
        mirror(name, _noisy(name, labels, photos))
    download.main()
    prepare.main()
    pool = tasks.read()
    twins = np.flatnonzero([(image == _decode(photos["train", one][1])).all() for image in pool.images])
    found = {(pool.tasks["clean"].labels[n], pool.tasks["partly_random"].labels[n]) for n in twins}
    assert found == {(0, CLASSES.index(wrong["afhq_10_32x32"][one])), (2, CLASSES.index(wrong["afhq_10_32x32"][other]))}
    assert json.loads(prepare.CARD.read_text())["duplicates"]["within_pool"] == 1


def test_unmatched_images_are_an_error_with_counts(run, mirror, photos, wrong, capsys):
    labels = wrong["afhq_10_32x32"]
    strange = dict.fromkeys(list(labels)[:2])

    def recode(content):
        return _coarser(content) if content in {photos["train", file][1] for file in strange} else content

    def rename(file):
        return _renamed(file) if file in strange else file

    mirror("afhq_10_32x32", _noisy("afhq_10_32x32", labels, photos, rename, recode))
    _fails(download.main, capsys, "2 training images match no image", "2 of 31 clean images are left")


def test_ambiguous_images_are_an_error_with_counts(run, mirror, photos, wrong, capsys):
    labels = wrong["afhq_10_32x32"]
    files = _noisy("afhq_10_32x32", labels, photos)
    one, other = list(files)[:2]
    files[one] = files[other]
    mirror("afhq_10_32x32", files)
    _fails(download.main, capsys, "1 match several, or one that already has its label", "1 of 31 clean images are left")


def test_wrong_counts_are_refused_at_the_door(run, mirror, photos, capsys):
    files = {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()}
    del files["afhq/train/dog/photo_dog_003.jpg"]
    mirror("afhq", files)
    _fails(download.main, capsys, "expected 12 in train/cat, 10 in train/dog", "found 12 in train/cat, 9 in train/dog")
    assert not (run / "data/raw/afhq/afhq.zip").exists()


def test_a_noisy_archive_with_images_missing_is_refused_at_the_door(run, mirror, photos, wrong, capsys):
    files = _noisy("afhq_10_32x32", wrong["afhq_10_32x32"], photos)
    files.popitem()
    mirror("afhq_10_32x32", files)
    _fails(download.main, capsys, "afhq_10_32x32.zip", "expected 31 in train; found 30 in train")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: _encode(_decode(content)[:16, :16]), "1 of 16x16 RGB"),
        (lambda content: _encode(_decode(content)[..., 0]), "1 of 32x32 L"),
        (lambda content: content[:200], "1 unreadable"),
        (lambda content: b"", "1 unreadable"),
    ],
)
def test_other_than_32x32_rgb_is_an_error(run, mirror, photos, capsys, spoil, said):
    files = {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()}
    path = "afhq/val/dog/photo_dog_001.jpg"
    files[path] = spoil(files[path])
    mirror("afhq", files)
    _fails(download.main, capsys, "expected 40 RGB images of 32x32", said)
    assert list((run / "data/raw/afhq").iterdir()) == []


def _others(content):
    return _encode(np.random.default_rng(list(content)).integers(0, 256, (32, 32, 3), dtype=np.uint8))


@pytest.mark.parametrize("spoil", [_others, lambda content: b"no image", lambda content: _encode(_decode(content)[1:])])
@pytest.mark.parametrize("name", ["afhq", "afhq_10_32x32"])
def test_right_names_with_wrong_content_are_not_kept_and_a_repaired_mirror_serves(
    run, mirror, photos, wrong, capsys, spoil, name
):
    other = {key: (label, spoil(content)) for key, (label, content) in photos.items()}
    if name == "afhq":
        mirror(name, {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in other.items()})
    else:
        mirror(name, _noisy(name, wrong[name], other))
    _fails(
        download.main, capsys, f"{name}.zip", "expected 40" if name == "afhq" and spoil is not _others else "match no"
    )
    assert {path.name for path in (run / "data/raw/afhq").iterdir()} <= {"manifest.json"}
    mirror("afhq", {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()})
    mirror("afhq_10_32x32", _noisy("afhq_10_32x32", wrong["afhq_10_32x32"], photos))
    download.main()  # the same command again
    prepare.main()
    _check_pool(photos, wrong)


def test_archives_that_were_kept_before_they_were_looked_into(run, mirror, photos, capsys, monkeypatch):
    """The error says what leads out, and it does."""
    good = {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()}
    mirror("afhq", {path: _others(content) for path, content in good.items()})
    with monkeypatch.context() as patch:
        patch.setattr(afhq, "_noisy", lambda *_: None)
        download.main()
    mirror("afhq", good)
    _fails(prepare.main, capsys, "Delete data/raw/afhq and run `dvc repro` again")
    shutil.rmtree("data/raw/afhq")
    download.main()
    prepare.main()


def test_unexpected_files_are_refused_and_litter_is_not(run, mirror, photos, capsys):
    files = {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()}
    names = (
        "__MACOSX/afhq/train/cat/._a.jpg",
        "afhq/.DS_Store",
        "afhq/train/cat/Thumbs.db",
        "afhq/train/.hidden/a.jpg",
    )
    litter = dict.fromkeys(names, b"")
    mirror("afhq", files | litter)
    download.main()
    mirror("afhq", files | {"afhq/train/fox/photo.jpg": b""})
    (run / "data/raw/afhq/manifest.json").unlink()
    _fails(download.main, capsys, "afhq.zip holds 'afhq/train/fox/photo.jpg'")


def test_a_hostile_archive_leaves_nothing_behind(run, mirror, photos, capsys, tmp_path):
    files = {f"afhq/{part}/{label}/{file}": content for (part, file), (label, content) in photos.items()}
    mirror("afhq", files | {"afhq/train/cat/../../../../../escaped.jpg": b"x"})
    _fails(download.main, capsys, "afhq.zip is rejected", "leads out of the archive")
    assert list((run / "data/raw/afhq").iterdir()) == []
    assert not list(tmp_path.rglob("escaped.jpg"))


def test_the_real_counts_are_those_of_the_course():
    """14,630 training images, which the course splits into [100, 100, 14430], and 500 of each class to test with."""
    assert afhq.COUNTS["train"] == {"cat": 5153, "dog": 4739, "wild": 4738}
    assert sum(afhq.COUNTS["train"].values()) == 100 + 100 + 14430
    assert afhq.COUNTS["val"] == {"cat": 500, "dog": 500, "wild": 500}
