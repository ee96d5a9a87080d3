"""The user's own images: `<path>/train/<class>/*` and, if there is a test set, `<path>/val/<class>/*`."""

from __future__ import annotations

import hashlib
import os
import stat
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import Field
from tqdm import tqdm

from stages import rng
from stages.datasets.duplicates import among
from stages.datasets.manifest import Entry, Manifest, downloaded, write_manifest
from stages.datasets.sampling import draw
from stages.datasets.sources.base import Decoded, LabelSet, Source
from stages.errors import UserError
from stages.tasks import Images

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
LEFT_BEHIND = ("Thumbs.db", "desktop.ini")
"""Files made by operating systems; ignored, as are hidden files."""
TEST_SHARE = 0.2
"""The share of the images in `train` that is tested on where there is no `val`."""


def _arranged(folder: Path, images: Mapping[str, Images], unreadable: Mapping[str, str]) -> Decoded:
    """Pool and test set of the readable images, by the names of their files."""
    paths = [PurePosixPath(name) for name in images]
    part, of_class = (np.array([path.parts[place] for path in paths]) for place in (0, 1))
    classes = {where: sorted(set(of_class[part == where])) for where in ("train", "val")}
    names = classes["train"]
    if len(names) < 2:
        raise UserError(
            f"{folder}/train needs readable images in at least two folders, one for each class; "
            f"found {', '.join(names) or 'none'}"
        )
    if classes["val"] and classes["val"] != names:
        different = sorted(set(names) ^ set(classes["val"]))
        raise UserError(
            f"{folder}: train and val must hold the same classes; only one of them has readable images of "
            + ", ".join(different)
        )
    if several := _in_several_classes(images):
        raise UserError(
            f"{folder}: the same image must not lie in several classes; {len(several):,} do, equal in every pixel "
            "after resizing. Keep each in one, and delete the others:\n" + _listed(several)
        )
    labels = np.searchsorted(names, of_class).astype(np.int64)
    if classes["val"]:
        test, origin = np.flatnonzero(part == "val"), "the folder val"
    else:
        test = np.sort(draw(labels, round(TEST_SHARE * len(labels)), rng.generator(0, "folder.test")))
        origin = f"{TEST_SHARE:.0%} of the images in train, stratified by class, the same for every seed"
        if missing := [name for k, name in enumerate(names) if k not in labels[test]]:
            raise UserError(
                f"{folder}: {TEST_SHARE:.0%} of train leaves no image of {', '.join(missing)} for testing; "
                "add images of it, or a folder val"
            )
    pool = np.setdiff1d(np.arange(len(labels)), test)
    pixels = np.stack(list(images.values()))
    left = labels[pool[~among(pixels[pool], pixels[test])]]
    if copied := [name for k, name in enumerate(names) if k not in left]:
        raise UserError(
            f"{folder}: every image in train of {', '.join(copied)} is also in the test set ({origin}), where networks "
            "must not have seen it. Delete it in one of the two"
            + (", or all of val: then a part of train becomes the test set" if classes["val"] else "")
        )
    return Decoded(
        pixels[pool],
        LabelSet(labels[pool], "the names of the folders", 0.0),
        pixels[test],
        labels[test],
        origin,
        tuple(names),
        unreadable=unreadable,
    )


def _in_several_classes(images: Mapping[str, Images]) -> dict[str, str]:
    """For each image that lies in the folders of several classes its first file, and the others."""
    files = defaultdict(list)
    for name, image in images.items():
        files[hashlib.sha256(image.tobytes()).digest()].append(name)
    return {
        first: f"also {', '.join(others)}"
        for first, *others in files.values()
        if len({PurePosixPath(name).parts[1] for name in (first, *others)}) > 1
    }


def _files(folder: Path) -> Iterator[str]:
    """What lies in `train` and `val`, relative to the folder: files, and whatever else is where a file should be."""
    for part in ("train", "val"):
        for path in _visible(folder / part):
            if path.is_dir():
                for file in _visible(path):
                    if file.is_dir():
                        raise UserError(f"{file} is a folder; images lie directly in {folder}/{part}/<class>/")
                    yield f"{part}/{path.name}/{file.name}"
            else:
                yield f"{part}/{path.name}"


def _entry(path: Path) -> Entry:
    try:
        str(path).encode()
        if path.exists() and not path.is_file():  # it may have taken the place of the file since `check`
            raise UserError(f"{path} is not a file")
        return Entry.of(path, None, None)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeEncodeError:
        raise UserError(f"the name {str(path)!r} is not valid UTF-8; rename it") from None


def _raise(error: OSError) -> None:
    raise error


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in LEFT_BEHIND]


def _read(folder: Path, size: int, name: str, entry: Entry) -> Images | str:
    """The image (size, size, 3), or why it cannot be used."""
    if _entry(folder / name) != entry:
        raise UserError(f"{folder / name} has changed since `download` listed it; run `dvc repro prepare`")
    if len(PurePosixPath(name).parts) < 3:
        return "it is not in a class folder"
    try:
        with Image.open(folder / name, formats=FORMATS) as image:
            return np.asarray(_square(image, size))
    except UnidentifiedImageError:
        return f"it is not one of {', '.join(FORMATS)}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"it has more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    except Exception as error:  # damaged files make Pillow raise errors of many kinds
        return str(error) or type(error).__name__


def _square(image: Image.Image, size: int) -> Image.Image:
    """The first frame, upright, in RGB, on white where it is transparent, squeezed into a square with antialiasing."""
    image.draft("RGB", (4 * size, 4 * size))  # spares the fine detail of large JPEG files, which no one will see
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers of no known range")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)


def _listed(reasons: Mapping[str, str], at_most: int = 10) -> str:
    lines = [f"  {name}: {reason}" for name, reason in list(reasons.items())[:at_most]]
    return "\n".join(lines) + (f"\n  and {len(reasons) - at_most:,} more" if len(reasons) > at_most else "")


class Folder(Source):
    title: ClassVar[str] = "Images from a folder"
    description: ClassVar[str] = "Images that the user of the benchmark supplied, resized to squares."
    augmentation: ClassVar[Mapping[str, float]] = {"horizontal_flip": 0.5, "shift": 0}

    path: str = Field(min_length=1)
    image_size: int = Field(ge=4, le=512)
    max_unreadable: float = Field(ge=0, le=1)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.image_size, self.image_size, 3

    @property
    def reads(self) -> Path | None:
        return Path(self.path)

    def check(self) -> None:
        """Refuse what cannot be read to its end, as a pipe or a device, and links to what lies elsewhere."""
        folder = Path(self.path)
        root = os.path.realpath(folder)
        refused = {}
        try:
            for place, folders, files in os.walk(folder, onerror=_raise):
                for path in (Path(place, name) for name in (*folders, *files)):
                    kind = path.lstat().st_mode
                    if stat.S_ISLNK(kind):
                        if not Path(target := os.path.realpath(path)).is_relative_to(root):
                            refused[str(path)] = f"a link to {target}, outside of {folder}"
                    elif not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
                        refused[str(path)] = "neither a file nor a folder, but a pipe, a socket or a device"
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}") from None
        if refused:
            raise UserError(
                f"{folder} holds what is not read. Delete it, or put the files themselves there; if all your images "
                f"lie elsewhere, name their folder in params.yaml (data.folder.path):\n" + _listed(refused)
            )

    def fetch(self, raw: Path) -> None:
        """Nothing is copied: the manifest lists the files as they are now."""
        self.check()
        folder = Path(self.path)
        files = {name: _entry(folder / name) for name in sorted(_files(folder))}
        if not any(name.startswith("train/") for name in files):
            raise UserError(
                f"{folder} holds no images. Put yours into {folder}/train/<class>/ and, if some are meant for testing, "
                f"into {folder}/val/<class>/; or name another folder in params.yaml (data.folder.path)"
            )
        write_manifest(Manifest("folder", files), raw)

    def decode(self, raw: Path) -> Decoded:
        folder = Path(self.path)
        files = downloaded("folder", raw).files
        images: dict[str, Images] = {}
        unreadable: dict[str, str] = {}
        read = partial(_read, folder, self.image_size)
        with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as threads:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            outcomes = threads.map(read, files, files.values())
            for name, outcome in zip(files, tqdm(outcomes, "reading images", len(files), disable=None), strict=True):
                if isinstance(outcome, str):
                    unreadable[name] = outcome
                else:
                    images[name] = outcome
        if len(unreadable) > self.max_unreadable * len(files):
            raise UserError(
                f"{folder}: {len(unreadable):,} of {len(files):,} files are unreadable. Fix or remove them, or raise "
                f"data.folder.max_unreadable (a share, now {self.max_unreadable:g}):\n" + _listed(unreadable)
            )
        return _arranged(folder, images, unreadable)
