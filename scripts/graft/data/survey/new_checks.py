"""Which new samples a trained model can take, and why it cannot take the others."""

import re

import numpy as np
import pandas as pd

from graft.data.checking import check_samples
from graft.data.images import in_bands

DEPTHS = {"uint8": "8-bit", "uint16": "16-bit", "int32": "32-bit", "float32": "float"}
SETTINGS = re.compile(r" \((?=`(?:bands|frames):).*\)$")  # a hint that names keys of a data set


def check_new(new, card, threads=1):
    """Read every sample once, and say which ones the model cannot take.

    Parameters
    ----------
    new : what `list_new` gave
    card : as for `list_new`

    Returns
    -------
    DataFrame, new.rows with content_sha256, and reason: null, or why a sample cannot be used
    """
    modality = card["modality"]
    found = check_samples(new.rows, new.entry, new.root, modality, threads)
    reason = found["reason"].astype(object).map(_for_new, na_action="ignore")
    if modality == "image":
        unlike = [_image_unlike(*facts, card["image"]) for facts in zip(found["dtype"], found["channels"], strict=True)]
    elif modality == "vector":
        reason = reason.mask(found["width"].notna(), None)  # what the other new vectors are like says nothing
        unlike = [_vector_unlike(width, card["vector"]["width"]) for width in found["width"]]
    else:
        unlike = [None] * len(found)
    reasons = zip(new.rows["reason"], reason, unlike, strict=True)
    first = [next((why for why in row if isinstance(why, str)), None) for row in reasons]
    return new.rows.assign(content_sha256=found["content_sha256"], reason=pd.Series(first, found.index, dtype=object))


def _for_new(reason):
    """Why a sample cannot be used, without settings of a data set: a user with new samples has none to change."""
    reason = SETTINGS.sub(
        " (the model learned from files that hold one image each, grey or RGB: save these so)", reason
    )
    return reason.replace("allowed: files inside the source", "allowed: files beside the table, or in folders below it")


def _image_unlike(dtype, channels, image):
    if not isinstance(dtype, str):
        return None
    if dtype != image["dtype"] and not (dtype == "int32" and image["dtype"] != "uint8"):
        return f"{DEPTHS[dtype]} pixels, and the model learned from {DEPTHS[image['dtype']]} ones"
    if in_bands(image.get("bands"), image["channels"]) and channels != image["channels"]:
        return f"{channels:.0f} bands, and the model learned from images of {image['channels']}"
    if channels > image["channels"]:
        return "a colour image, and the model learned from grey ones"
    return None


def _vector_unlike(width, learned):
    if np.isnan(width) or width == learned:
        return None
    return f"{width:.0f} features, and the model learned from {learned}"
