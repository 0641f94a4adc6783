"""Black and white of 16-bit and float images: quantiles of the train pixels; what lies beyond is cut and said, what was not measured does not count."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.data.images import decode, image_format, pixel_range, read, to_input
from graft.embedding.input_batches import ImageInputs
from tiny_data import class_folders, encoded, npy, pixels, prepared, tiff

SQUARE = {"size": 24, "fit": "squash", "crop": 1.0, "interpolation": "bicubic"}
GDAL = 42113


def noise(count, kind="normal", shape=(40, 50), seed=0):
    rng = np.random.default_rng(seed)
    draw = {
        "normal": lambda: rng.normal(rng.uniform(0, 3), rng.uniform(0.5, 2), shape),
        "skewed": lambda: rng.lognormal(rng.uniform(0, 1), 0.8, shape),
        "bimodal": lambda: np.where(rng.random(shape) < 0.3, rng.normal(10, 1, shape), rng.normal(0, 1, shape)),
    }[kind]
    return [draw().astype(np.float32) for _ in range(count)]


def nodata_tag(text):
    return {"extratags": [(GDAL, 2, 0, text, True)]}


def card_of(root, images, suffix=".tif", **entry):
    return prepared(class_folders(root, images, suffix=suffix), modality="image", **entry).card


@pytest.mark.parametrize("kind", ["normal", "skewed", "bimodal"])
@pytest.mark.parametrize("count", [1, 7, 200])
def test_black_and_white_have_a_thousandth_of_the_pixels_beyond_them(kind, count):
    images = noise(count, kind)
    pooled = np.sort(np.concatenate([image.ravel() for image in images]))
    values = [pixel_range.quantiles(image) for image in images]
    weights = np.outer([image.size for image in images], pixel_range.WEIGHTS).ravel()
    order = np.argsort(np.ravel(values))
    for share in (0.001, 0.999):
        found = pixel_range.quantile(np.ravel(values)[order], weights[order], share)
        below = np.searchsorted(pooled, found) / len(pooled)
        assert found in pooled
        assert abs(below - share) < max(0.0003, 1.1 / len(pooled))
    low, high, far = pixel_range.measure(values, [image.size for image in images])
    exact_low, exact_high = np.quantile(pooled, [0.001, 0.999])
    assert far == [] and abs(low - exact_low) + abs(high - exact_high) < 0.08 * (exact_high - exact_low)
    beyond = ((pooled < low) | (pooled > high)).mean()
    assert pixel_range.beyond(values, [image.size for image in images], low, high) == pytest.approx(beyond, abs=4e-4)


def test_16_bit_quantiles_are_those_of_the_sorted_pixels():
    image = (noise(1, "skewed")[0] * 900).astype(np.uint16)
    assert pixel_range.quantiles(image) == pixel_range.quantiles(image.astype(np.float32))
    assert pixel_range.quantiles(image)[27] == np.sort(image.ravel())[image.size // 2 - 1]
    assert set(pixel_range.quantiles(np.array([7], np.uint16))) == {7.0}


def test_the_order_and_the_sizes_of_the_images_do_not_matter():
    images = [image[: 5 + 3 * i] for i, image in enumerate(noise(12, "skewed"))]
    values, counts = [pixel_range.quantiles(image) for image in images], [image.size for image in images]
    order = np.random.default_rng(1).permutation(12)
    assert pixel_range.measure(values, counts) == pixel_range.measure(
        [values[i] for i in order], [counts[i] for i in order]
    )
    large = pixel_range.measure([[0.0] * 55, [1.0] * 55], [10_000, 1])
    assert large[:2] == (0.0, 1.0)  # the one pixel is beyond the quantile, but a range has two ends


def test_a_few_more_images_do_not_change_the_range():
    rng = np.random.default_rng(0)
    values = [pixel_range.quantiles(rng.lognormal(1, 0.5, 2000)) for _ in range(210)]
    assert len({pixel_range.measure(values[:n], [2000] * n)[:2] for n in range(200, 211)}) == 1


@pytest.mark.parametrize("far", [65535, 40_000])
def test_few_hot_pixels_move_nothing_and_are_counted(tmp_path, far):
    images = [(200 + 40 * image).clip(0, 60_000).astype(np.uint16) for image in noise(30)]
    clean = card_of(tmp_path / "clean", [tiff(image) for image in images])["image"]["range"]
    for image in images[::3]:
        image[0, 0] = far
    card = card_of(tmp_path / "hot", [tiff(image) for image in images])
    assert np.allclose(card["image"]["range"], clean, rtol=0.02) and clean[1] < 600
    assert sum("values beyond" in note for note in card["notes"]) == 1
    assert f"to {far:g}. `range" in "".join(card["notes"])
    low, high = card["image"]["range"]
    train = prepared(tmp_path / "hot", modality="image").frame.query("split == 'train'")["path"]
    found = [decode((tmp_path / "hot" / path).read_bytes()) for path in train]
    cut = sum(bool((image < low).any() or (image > high).any()) for image in found)
    assert f"in {cut} of {len(train)} train images" in "".join(card["notes"])


def test_the_range_that_a_note_proposes_to_set_is_the_one_that_is_used(tmp_path):
    images = [(1000 + 100 * image).astype(np.uint16) for image in noise(20)]
    card = card_of(tmp_path, [tiff(image) for image in images], range=[0, 65535])
    assert card["image"]["range"] == [0.0, 65535.0] and not [note for note in card["notes"] if "beyond" in note]
    card = card_of(tmp_path, [tiff(image) for image in images], range=[1000, 1100])
    (note,) = [note for note in card["notes"] if "beyond" in note]
    train = prepared(tmp_path).frame.query("split == 'train'")["path"]
    every = np.concatenate([decode((tmp_path / path).read_bytes()).ravel() for path in train])
    share = float(note.split("about ")[1].split("%")[0]) / 100
    assert share == pytest.approx(((every < 1000) | (every > 1100)).mean(), abs=0.06)


@pytest.mark.parametrize("number", ["-3.40282306073709653e+38", "-9999", "1e20", "nan", "255.5"])
def test_gdals_no_data_and_nan_do_not_count_for_the_range_and_are_black(tmp_path, number, capfd):
    images = [230 + 5 * image for image in noise(30)]
    clean = card_of(tmp_path / "clean", [tiff(image) for image in images])
    value = np.float32(-3.4028234663852886e38 if number.startswith("-3.4") else number)
    holed = [image.copy() for image in images]
    for image in holed[::2]:
        image[:, :6] = value
    tags = {} if number == "nan" else nodata_tag(number)
    card = card_of(tmp_path / "holed", [tiff(image, **tags) for image in holed])
    assert np.allclose(card["image"]["range"], clean["image"]["range"], atol=1)
    assert "15 of 30 images have pixels that were not measured (6.00% of all pixels" in "".join(card["notes"])
    assert capfd.readouterr().err == ""
    form, (low, high) = image_format(card), card["image"]["range"]
    for mode in ("squash", "crop", "pad"):
        square = to_input(decode(tiff(holed[0], **tags)), form, {**SQUARE, "fit": mode})
        filled = np.where(holed[0] == value, low, holed[0]) if number != "nan" else np.nan_to_num(holed[0], nan=low)
        plain = to_input(decode(tiff(filled.astype(np.float32))), form, {**SQUARE, "fit": mode})
        assert (square == plain).all() and low <= square.min() and square.max() <= high
    assert (to_input(decode(tiff(holed[0], **tags)), form, SQUARE)[:, 0] == low).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32])
def test_no_data_of_integers_is_seen_and_stands_where_it_stands(dtype):
    array = pixels(0, channels=1).astype(dtype) % 100 + 20
    for value in (0, 200):
        array[2:5, 3] = value
        for tag in (f"{value}", f"{value}.0", f" {value}\0"):
            found = decode(tiff(array, **nodata_tag(tag)))
            assert (np.ma.getmaskarray(found)[:, :, 0] == (array == value)).all()
            assert (np.ma.filled(found, 1)[:, :, 0] == np.where(array == value, 1, array)).all()
        for tag in ("-9999", "70000", "none", ""):
            assert not np.ma.isMaskedArray(decode(tiff(array, **nodata_tag(tag))))
        turned = read(tiff(array, extratags=[*nodata_tag(str(value))["extratags"], (274, 3, 1, 6, True)])).pixels
        assert (np.ma.getmaskarray(turned)[:, :, 0] == np.rot90(array == value, -1)).all()
        array[2:5, 3] = 50


def test_a_colour_of_8_bits_is_missing_only_where_all_its_channels_are():
    array = pixels(0) % 200
    array[0, 0], array[1, 1] = (255, 255, 255), (255, 10, 255)
    data = tiff(array, photometric="rgb", **nodata_tag("255"))
    mask = np.ma.getmaskarray(decode(data))
    assert mask[0, 0].all() and mask.sum() == 3
    words = np.where(array == 255, 65535, array.astype(np.uint16))
    deep = tiff(words.astype(np.uint16), photometric="rgb", **nodata_tag("65535"))
    assert np.ma.getmaskarray(decode(deep))[1, 1].tolist() == [True, False, True]
    assert np.ma.getmaskarray(decode(data, bands=[2]))[1, 1].tolist() == [False]


@pytest.mark.parametrize(
    ("far", "dtype"), [(-9999, np.float32), (-3.4e38, np.float32), (1e20, np.float32), (65535, np.uint16)]
)
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_no_data_that_no_tag_names_is_seen_by_its_distance_and_said(tmp_path, far, dtype, suffix):
    write = npy if suffix == ".npy" else tiff
    images = [(230 + 5 * image).astype(dtype) for image in noise(30)]
    clean = card_of(tmp_path / "clean", [write(image) for image in images], suffix)["image"]["range"]
    for image in images[::2]:
        image[:, :6] = far
    card = card_of(tmp_path / "holed", [write(image) for image in images], suffix)
    low, high = card["image"]["range"]
    assert low >= clean[0] and high <= clean[1]  # where a tenth is missing, less is known of the ends
    real = np.concatenate([image[:, 6:].ravel() for image in images])
    assert ((real >= low) & (real <= high)).mean() > 0.98
    assert f"{far:g} is far from all other values" in "".join(card["notes"])


@pytest.mark.parametrize("values", [(0, 1), (0, 60_000), (7, 9), (0, 1, 2, 65535)])
def test_images_of_a_few_values_keep_them_all(tmp_path, values):
    rng = np.random.default_rng(0)
    images = [rng.choice(np.array(values, np.uint16), (20, 20)) for _ in range(12)]
    card = card_of(tmp_path, [tiff(image) for image in images])
    assert card["image"]["range"] == [min(values), max(values)] and card["notes"] == []


def test_a_background_of_zeros_is_no_missing_number(tmp_path):
    images = [np.where(image > 2, 50_000 + 100 * image, 0).astype(np.uint16) for image in noise(20)]
    assert card_of(tmp_path, [tiff(image) for image in images])["image"]["range"][0] == 0


def test_validation_test_and_pool_images_do_not_move_the_range(tmp_path):
    images = [100 * image for image in noise(20)]
    for i, image in enumerate(images):
        split = ("train", "train", "train", "validation", "test", "pool")[i % 6]
        folder = tmp_path / split / ("" if split == "pool" else "ab"[i // 6 % 2])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i}.tif").write_bytes(tiff(image * (1 if split == "train" else 1000)))
    card = prepared(tmp_path).card
    train = np.concatenate([image.ravel() for i, image in enumerate(images) if i % 6 < 3])
    assert np.allclose(card["image"]["range"], np.quantile(train, [0.001, 0.999]), atol=60)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint16, np.uint8])
def test_padding_is_black_in_the_datas_own_scale(tmp_path, dtype):
    offset = -1000 if dtype in (np.int16, np.float32) else 300 if dtype == np.uint16 else 0
    images = [(pixels(i, 12, 36, 1).astype(int) + offset).astype(dtype) for i in range(12)]
    card = card_of(tmp_path, [tiff(image) for image in images])
    form = image_format(card)
    low, high = form["range"]
    assert (low, high) == (0, 255) if dtype == np.uint8 else abs(low - offset) < 20
    square = to_input(decode(tiff(images[0])), form, {**SQUARE, "fit": "pad"})
    assert square.dtype == form["dtype"]
    assert np.allclose(square[:8], low, atol=0.5) and np.allclose(square[16:], low, atol=0.5)
    assert ((square - low) / (high - low)).max() > 0.7


def test_a_given_range_holds_for_8_bits_too(tmp_path):
    images = [pixels(i, channels=1) // 4 + 50 for i in range(12)]
    form = image_format(card_of(tmp_path, [tiff(image) for image in images], range=[60, 100]))
    square = to_input(decode(tiff(images[0])), form, SQUARE)
    assert form["range"] == [60, 100] and square.dtype == np.uint8 and (square.min(), square.max()) == (60, 100)


def test_integers_of_32_bits_have_one_depth_in_a_set(tmp_path):
    small = [tiff(pixels(i, channels=1).astype(np.int32) * 200) for i in range(11)]
    large = tiff(pixels(11, channels=1).astype(np.int32) * 2000)
    assert card_of(tmp_path / "small", small)["image"]["dtype"] == "uint16"
    assert card_of(tmp_path / "large", [*small, large])["image"]["dtype"] == "float32"
    assert (
        card_of(tmp_path / "minus", [*small, tiff(-pixels(12, channels=1).astype(np.int32))])["image"]["dtype"]
        == "float32"
    )
    words = [tiff(pixels(i + 50, channels=1).astype(np.uint16)) for i in range(12)]
    assert card_of(tmp_path / "mixed", [*small, *words])["image"]["dtype"] == "uint16"
    with pytest.raises(UserError, match="several depths"):
        card_of(tmp_path / "several", [*words, large])
    form = image_format(card_of(tmp_path / "small", small))
    square = to_input(decode(small[0]), form, {**SQUARE, "size": 12, "fit": "crop"})
    assert square.dtype == np.uint16
    # A new image that does not fit is white where it does not.
    assert to_input(decode(large), form, SQUARE).max() == form["range"][1]


def test_images_of_no_contrast_have_a_range():
    assert pixel_range.measure([[5.0] * 55, [5.0] * 55], [9, 9]) == (5.0, 6.0, [])


@pytest.mark.parametrize("change", [{"range": [0, 100]}, {"bands": [2]}, {"channels": 3}, {"decoder": 99}])
def test_pixels_that_were_read_in_another_way_are_not_taken_from_the_store(change):
    asked, table = [], SimpleNamespace(locate=lambda _: np.zeros(0, int), dtype=np.dtype("uint8"), folder=None)
    store = SimpleNamespace(table=lambda name, shape, **key: asked.append(key) or table, keeps_images=lambda *_: False)
    preprocessing = {"size": 8, "fit": "squash", "crop": 1.0, "interpolation": "bilinear", "mean": [0], "std": [1]}
    image = {"dtype": "uint8", "channels": 1, "range": [0, 255], "bands": [1], "decoder": 1}
    for facts in (image, image, image | change):
        source = SimpleNamespace(card={"image": facts})
        backbone = SimpleNamespace(spec={"preprocessing": preprocessing})
        ImageInputs(pd.DataFrame({"path": [], "row": [], "content_sha256": []}), source, backbone, store, 1)
    assert asked[0] == asked[1] != asked[2]


def test_two_numbers_that_no_tag_names_are_both_seen_by_their_distance(tmp_path):
    images = [230 + 5 * image for image in noise(30)]
    clean = card_of(tmp_path / "clean", [tiff(image) for image in images])["image"]["range"]
    for image in images:
        image[:, :4], image[:4] = -9999, -32768
    card = card_of(tmp_path / "holed", [tiff(image) for image in images])
    low, high = card["image"]["range"]
    assert low >= clean[0] - 2 and high <= clean[1] + 2
    assert "-32768, -9999 are far from all other values" in "".join(card["notes"])


@pytest.mark.parametrize("far", [[-9999], [-9999, -20000], [30000]])
def test_numbers_apart_from_wide_values_are_noted_and_the_hint_leaves_them_out(tmp_path, far):
    images = [(1500 + 400 * image).astype(np.int16) for image in noise(30)]
    for image in images:
        for place, value in enumerate(far):
            image[:, 5 * place : 5 * place + 5] = value
    card = card_of(tmp_path, [tiff(image) for image in images])
    (note,) = [note for note in card["notes"] if "but in the range" in note]
    assert all(f"{value:g}" in note for value in far)
    low, high = (float(end) for end in note.split("`range: [")[1].split("]")[0].split(", "))
    assert 0 - 1500 < low < 1500 < high < 7000
    card = card_of(tmp_path, [tiff(image) for image in images], range=[low, high])
    assert card["image"]["range"] == [low, high]
    assert not [note for note in card["notes"] if "but in the range" in note]


def test_images_of_several_depths_are_named_by_their_files_own_types_and_the_hint_works(tmp_path):
    arrays = [pixels(i, channels=1).astype(("int16", "uint16")[i // 2 % 2]) for i in range(12)]
    with pytest.raises(UserError, match="several depths") as error:
        card_of(tmp_path / "mixed", [tiff(array) for array in arrays])
    assert "6 images of int16 (read as float32), such as" in str(error.value)
    assert "6 images of uint16, such as" in str(error.value)
    assert error.value.hint == "save all images with the same type of numbers, such as uint16"
    card_of(tmp_path / "one", [tiff(array.astype(np.uint16)) for array in arrays])


@pytest.mark.parametrize("kind", ["png", "npy"])
@pytest.mark.parametrize("most", [1, 6, 31])
def test_images_of_8_bits_with_small_numbers_are_noted_and_the_hint_shows_them(tmp_path, kind, most):
    arrays = [pixels(i, channels=1) % (most + 1) for i in range(12)]
    data = [encoded(array) if kind == "png" else npy(array) for array in arrays]
    card = card_of(tmp_path, data, suffix=f".{kind}")
    (note,) = [note for note in card["notes"] if "nearly black" in note]
    assert f"`range: [0, {most}]`" in note and card["image"]["range"] == [0, 255]
    card = card_of(tmp_path, data, suffix=f".{kind}", range=[0, most])
    assert not [note for note in card["notes"] if "nearly black" in note]
    shown = to_input(arrays[0][:, :, None], image_format(card), SQUARE)
    assert shown.min() == 0 and shown.max() == most and image_format(card)["range"] == [0, most]


@pytest.mark.parametrize(("most", "said"), [(255, True), (20, False)])
def test_images_of_two_scales_are_noted_and_the_hint_works(tmp_path, most, said):
    arrays = [pixels(i, channels=1, dtype=np.float32) for i in range(12)]
    mixed = [array * (most if i % 4 < 2 else 1) for i, array in enumerate(arrays)]
    notes = card_of(tmp_path / "mixed", [tiff(array) for array in mixed])["notes"]
    assert ("save all images on one scale" in "".join(notes)) == said
    notes = card_of(tmp_path / "one", [tiff(array * most) for array in arrays])["notes"]
    assert "save all images on one scale" not in "".join(notes)
