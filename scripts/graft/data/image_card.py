"""What the data card says of images: their depth, the values that become black and white, and what was found in the files."""

import numpy as np

from graft.common.errors import UserError
from graft.data.images import DECODER, in_bands, pixel_range
from graft.data.listing.rows import listed

DARK = 31  # an eighth of the values of 8 bits: images that hold no more are nearly black


def describe_images(frame, entry):
    """The data card's `image`.

    Parameters
    ----------
    frame : DataFrame with the columns that checking.check_samples adds for images, path and split
    entry : dict, the data set's entry; its `range` is "measured" (on the train rows) or [low, high]

    Returns
    -------
    dict
        What images.image_format needs, and sizes

    Raises
    ------
    UserError
        If images have several depths: no range of values would fit them all. If they have several numbers of bands.
    """
    dtype, channels = _depth(frame), _channels(frame, entry)
    low, high, _ = _range(frame, dtype, entry["range"])
    own = dtype != "uint8" and entry["range"] == "measured" and in_bands(entry["bands"], channels)
    heights, widths = frame["height"].astype(int), frame["width"].astype(int)
    sizes = (widths.astype(str) + "x" + heights.astype(str)).value_counts()
    return {
        "dtype": dtype,
        "range": [low, high],
        **({"band_ranges": [band[:2] for band in _of_bands(frame, dtype, channels)]} if own else {}),
        "channels": channels,
        "sizes": {
            "width": [int(widths.min()), int(widths.max())],
            "height": [int(heights.min()), int(heights.max())],
            "different": len(sizes),
        },
        **({"bands": entry["bands"]} if entry["bands"] else {}),
        "frames": entry["frames"],
        "decoder": DECODER,
    }


def notes_of_images(frame, entry):
    """What a user should know of the images of a data set and of how they are read; list of str."""
    dtype = _depth(frame)
    low, high, far = _range(frame, dtype, entry["range"])
    own = dtype != "uint8" and _ranges_in(frame) > 1  # of each band
    apart = _apart(frame, dtype) if entry["range"] == "measured" and not own else []
    dark = _dark(frame, dtype) if entry["range"] == "measured" else []
    of_bands = _per_band(frame, dtype) if own and entry["range"] == "measured" else []
    beyond = [] if own and entry["range"] == "measured" else _beyond(frame, low, high, far)
    return [*beyond, *of_bands, *apart, *dark, *_missing(frame, low), *_of_files(frame, entry)]


def _channels(frame, entry):
    """The channels of the images of a set: 3 if any is in colour; or as many as each has bands."""
    counts = frame["channels"].astype(int).value_counts()
    most = int(counts.index.max())
    if len(counts) > 1 and in_bands(entry["bands"], most):
        lines = [
            f"{len(rows)} images of {count:.0f}, such as {rows['path'].min()}"
            for count, rows in frame.groupby("channels")
        ]
        hint = "leave files out that do not belong to the others; or name bands that all have: `bands: [1, 2, 3]`"
        raise UserError(
            f"the images have several numbers of bands:{listed(lines)}", "bands", "one number of bands", hint
        )
    return most


def _of_bands(frame, dtype, channels):
    """Black and white of each band, and the values far from its others, which are not measured with: list of (low, high, far)."""
    summaries, counts, ends = _summaries(frame, dtype)
    bands = np.array(summaries).reshape(len(summaries), channels, -1)
    measured, found = np.isfinite(bands).all(2), []
    for band in range(channels):
        own = measured[:, band]  # images with a pixel of it that was measured
        if not own.any():
            what = f"no train image has a measured pixel in band {band + 1}: all are NaN or the file's no-data number"
            raise UserError(what, "bands", "bands that hold something", "name the others: `bands: [1, 2, ..]`")
        found.append(pixel_range.measure(list(bands[own, band]), counts[own] / channels, ends))
    return found


def _depth(frame):
    """The one dtype of a set. Integers of more than 16 bits are uint16 if all of them fit, else float32."""
    kinds = frame["dtype"]
    long = kinds == "int32"
    if long.any():
        rows = frame[long]
        fit = rows["low"].min() >= 0 and rows["high"].max() <= 65535 and not (kinds == "float32").any()
        kinds = kinds.mask(long, "uint16" if fit else "float32")
    counts = kinds.value_counts()
    if len(counts) == 1:
        return str(counts.index[0])
    lines = []
    for (kind, stored), rows in frame.groupby([kinds, "stored"]):
        read = "" if stored == kind else f" (read as {kind})"
        lines.append(f"{len(rows)} images of {stored}{read}, such as {rows['path'].min()}")
    raise UserError(
        f"the images have several depths:{listed(sorted(lines))}",
        allowed="one of uint8, uint16 and float32 in a data set",
        hint="save all images with the same type of numbers, such as uint16",
    )


def _range(frame, dtype, wanted):
    """Black, white, and the single values far from all others, which were not measured with."""
    if wanted != "measured":
        low, high = (float(value) for value in wanted)
        if low >= high:
            raise UserError(f"[{low:g}, {high:g}]", "range", "[low, high] with low < high")
        return low, high, []
    if dtype == "uint8":
        return 0.0, 255.0, []
    bands = _of_bands(frame, dtype, _ranges_in(frame))
    lows, highs, far = zip(*bands, strict=True)
    return min(lows), max(highs), sorted({value for one in far for value in one})


def _ranges_in(frame):
    """How many ranges the images of a set have: 1, or one per band (see images.facts)."""
    return len(frame["quantiles"].iloc[0]) // len(pixel_range.SHARES)


def _summaries(frame, dtype):
    train = frame[frame["split"] == "train"]
    ends = (0.0, 65535.0) if dtype == "uint16" else (-np.inf, np.inf)
    return list(train["quantiles"]), _measured_pixels(train), ends


def _measured_pixels(rows):
    return (rows["height"] * rows["width"] * rows["channels"] - rows["missing"]).to_numpy(np.float64)


def _per_band(frame, dtype):
    ranges = [
        f"{band} {low:g} to {high:g}" + (f" (without {', '.join(f'{value:g}' for value in far)})" if far else "")
        for band, (low, high, far) in enumerate(_of_bands(frame, dtype, _ranges_in(frame)), 1)
    ]
    yield f"black and white of each band: {'; '.join(ranges)}. Values beyond are cut to these ends"


def _beyond(frame, low, high, far):
    train = frame[frame["split"] == "train"]
    outside = (train["low"] < low) | (train["high"] > high)
    if not outside.any():
        return
    what = f"in {int(outside.sum())} of {len(train)} train images"
    if train["quantiles"].notna().all():
        parts = np.array(list(train["quantiles"])).reshape(-1, len(pixel_range.SHARES))  # of images, or of their bands
        counts = np.repeat(_measured_pixels(train), len(parts) // len(train))
        known = np.isfinite(parts).all(1)
        share = pixel_range.beyond(parts[known], counts[known], low, high)
        what = f"about {share:.2%} of the pixels of the train images, {what}"
    ends = f"{train['low'].min():g} to {train['high'].max():g}"
    yield (
        f"values beyond {low:g} (black) to {high:g} (white) are cut to these ends: {what}; all values are {ends}. "
        "`range: [low, high]` sets other ends"
    )
    if far:
        shown = ", ".join(f"{value:g}" for value in far)
        one = "is far from all other values and is not taken as a measurement: it"
        several = "are far from all other values and are not taken as measurements: they"
        yield f"{shown} {one if len(far) == 1 else several} did not count for the range"


def _apart(frame, dtype):
    """Numbers that may mean "not measured", though they are not far enough to be left out."""
    if dtype == "uint8":
        return
    low, high, values = pixel_range.apart(*_summaries(frame, dtype))
    if values:
        shown = ", ".join(f"{value:g}" for value in values)
        verb, means = ("is", "it means") if len(values) == 1 else ("are", "they mean")
        yield (
            f"{shown} {verb} far from all other values, but in the range. If {means} 'not measured', "
            f"`range: [{low:g}, {high:g}]` is the range of the others"
        )


def _dark(frame, dtype):
    """Images that are nearly black since they hold few of the numbers from black to white: indices, or values up to 1."""
    train = frame[frame["split"] == "train"]
    low, high = train["low"].min(), train["high"].max()
    if dtype == "uint8" and high <= DARK:
        ends = f"; `range: [{low:g}, {high:g}]` shows them from black to white" if low < high else ""
        yield f"the train images hold values from {low:g} to {high:g} alone, and 255 is white: they are nearly black{ends}"
    to_one = (train["low"] >= 0) & (train["high"] <= 1)
    if dtype != "uint8" and to_one.any() and low >= 0 and train["high"][~to_one].min() > DARK:
        yield (
            f"{int(to_one.sum())} of {len(train)} train images hold values from 0 to 1, such as {train['path'][to_one].min()}, "
            f"the others up to {high:g}: the first are nearly black. If they are on another scale, save all images on one scale"
        )


def _missing(frame, low):
    rows = frame[frame["missing"] > 0]
    if len(rows):
        share = rows["missing"].sum() / (frame["height"] * frame["width"] * frame["channels"]).sum()
        yield (
            f"{len(rows)} of {len(frame)} images have pixels that were not measured ({share:.2%} of all pixels are NaN or "
            f"the number that GDAL's no-data tag names). They become black ({low:g}), and do not count for the range"
        )


def _of_files(frame, entry):
    alpha, several = int(frame["alpha"].sum()), frame[frame["frames"] > 1]
    paged = frame[frame["page_channels"] > 1]
    if alpha:
        yield (
            f"{alpha} of {len(frame)} images have an alpha channel, as their files say. It is blended with white. If it "
            "is a band like the others, `bands: [1, 2, 3]` reads the first three without it"
        )
    if len(several):
        most = int(several["frames"].max())
        yield f"{len(several)} of {len(frame)} files hold several images (up to {most}): only the first of each is read"
    if len(paged) and not entry["bands"]:
        count = int(paged["page_channels"].min())
        wanted = "[1, 2, 3]" if count > 2 else "[2]"
        yield (
            f"{len(paged)} of {len(frame)} images have their channels as pages ({count} or more): only the first is read; "
            f"`bands: {wanted}` reads others"
        )
