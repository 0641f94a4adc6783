"""Arrays of images with the channels first, as PyTorch has them, and last, as NumPy has them, are told apart; else refused."""

import re

import numpy as np
import pytest
import tifffile

from graft.common.errors import UserError
from graft.data.images import decode
from graft.data.readers import opener
from tiny_data import class_folders, npy, prepared

LAST = [
    (48, 48, 3),
    (48, 40, 1),
    (7, 3, 3),
    (1, 90, 3),
    (3, 3, 3),
    (2, 2, 3),
    (4, 4, 1),
    (48, 3, 3),
    (3, 48, 3),
    (1, 1, 3),
]
FIRST = [(3, 48, 48), (3, 48, 40), (1, 48, 40), (1, 5, 5), (3, 5, 7)]
MANY_LAST = [(48, 48, 2), (48, 40, 4), (64, 64, 13), (64, 48, 13), (9, 11, 7), (9, 9, 200), (4, 4, 4), (3, 3, 200)]
MANY_FIRST = [(2, 48, 48), (4, 48, 40), (13, 64, 64), (13, 48, 64), (200, 9, 9)]
NEITHER = [(48, 48, 48), (48, 64, 48), (48, 64, 200), (200, 48, 64), (13, 40, 13), (12, 24, 13), (64, 48, 40)]


def array(shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int64])
def test_grey_and_colour_are_read_wherever_their_channels_stand(dtype):
    for shape in LAST:
        assert (decode(npy(array(shape, dtype))) == array(shape, dtype)).all()
    for shape in FIRST:
        assert (decode(npy(array(shape, dtype))) == np.moveaxis(array(shape, dtype), 0, -1)).all()
    assert (decode(npy(array((48, 3), dtype)))[:, :, 0] == array((48, 3), dtype)).all()


def test_many_bands_are_named_by_their_number_and_taken_wherever_they_stand():
    for shapes, axis in ((MANY_LAST, 2), (MANY_FIRST, 0)):
        for shape in shapes:
            values, data = np.moveaxis(array(shape), axis, -1), npy(array(shape))
            with pytest.raises(UserError, match=f"{shape[axis]} channels") as error:
                decode(data)
            hinted = re.findall(r"`bands: \[([\d, ]+)\]`", error.value.hint)
            for bands in [[int(number) for number in text.split(",")] for text in hinted] + [[shape[axis], 1, 2]]:
                assert (decode(data, bands=bands) == values[:, :, [band - 1 for band in bands]]).all()


@pytest.mark.parametrize("shape", NEITHER)
def test_arrays_that_may_be_both_are_refused_and_the_hint_works(shape, tmp_path):
    for bands in (None, [1, 2, 3]):
        with pytest.raises(UserError, match="the first or the last axis may be the channels") as error:
            decode(npy(array(shape)), bands=bands)
    (call,) = re.findall(r"tifffile\.imwrite\(.*?\)", error.value.hint)
    for planar, axis in (("contig", 2), ("separate", 0)):
        assert f"'{planar}'" in error.value.hint
        exec(
            call.replace("'1.tif'", "path").replace("'contig'", f"'{planar}'"),
            {"tifffile": tifffile, "path": tmp_path / "1.tif", "array": array(shape)},
        )
        values = np.moveaxis(array(shape), axis, -1)
        assert (decode((tmp_path / "1.tif").read_bytes(), bands=[3, 1, 2]) == values[:, :, [2, 0, 1]]).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["npz", "npy of all", "npy each"])
def test_data_sets_of_arrays_with_the_channels_first_are_those_with_the_channels_last(tmp_path, kind, channels):
    images = array((12, channels, 30, 20))
    found = []
    for name, values in (("first", images), ("last", np.moveaxis(images, 1, -1))):
        root, labels = tmp_path / name, np.array(["a", "b"] * 6)
        root.mkdir()
        if kind == "npz":
            np.savez(root / "data.npz", X=values, y=labels)
        elif kind == "npy of all":
            np.save(root / "X.npy", values)
            np.save(root / "y.npy", labels)
        else:
            class_folders(root, [npy(image) for image in values], suffix=".npy")
        entry = {"modality": "image"} if kind == "npy each" else {"targets": {"label": {"column": "y"}}}
        made, load = prepared(root, **entry), opener(entry, root)
        assert made.card["image"]["channels"] == channels and made.card["image"]["sizes"]["width"] == [20, 20]
        found.append([load(row.path, row.row, row.content_sha256) for row in made.frame.itertuples()])
    assert all((first == last).all() for first, last in zip(*found, strict=True))


def test_bands_are_taken_from_arrays_with_the_channels_first(tmp_path):
    images = array((12, 7, 30, 20), np.uint16)
    np.savez(tmp_path / "data.npz", X=images, y=["a", "b"] * 6)
    targets = {"label": {"column": "y"}}
    with pytest.raises(UserError, match="7 channels") as error:
        prepared(tmp_path, targets=targets)
    assert "`bands: [1, 2, 3]`" in str(error.value)
    made = prepared(tmp_path, targets=targets, bands=[4, 3, 2])
    row = made.frame.iloc[0]
    image = opener({"targets": targets, "bands": [4, 3, 2]}, tmp_path)(row.path, row.row, row.content_sha256)
    assert (image == np.moveaxis(images[row.row][[3, 2, 1]], 0, -1)).all()
