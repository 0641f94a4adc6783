"""Spectra of two instruments, made of peaks as those of near-infrared light are: broad, over one another, on a slope."""

import numpy as np
import pandas as pd

WAVELENGTHS = np.arange(900, 1700, 8)
CENTRES, WIDTHS = np.array([970, 1060, 1190, 1320, 1450, 1580]), np.array([45, 60, 38, 55, 50, 70])
HEIGHTS = np.array([0.30, 0.18, 0.55, 0.22, 0.90, 0.35])
NAMES = [f"{place} nm" for place in WAVELENGTHS]
COUNTS = {"train": 150, "validation": 75, "test": 300, "pool": 150}


def spectra(seed, effect=0.045, noise=0.0008):
    """Rows of `COUNTS`, in its order: those of train and validation by one instrument, those of test and pool by another.

    The classes differ in the height of one peak, relative to the others. A measured spectrum is gain x (sum of peaks +
    slope) + offset + noise. Gain and offset differ a little from sample to sample, and more from one instrument to the other.

    Returns
    -------
    DataFrame with sample_id, split, instrument, label (null in the pool), truth, and one column per wavelength
    """
    draw, count = np.random.default_rng(seed), sum(COUNTS.values())
    label = draw.integers(2, size=count)
    split = np.repeat(list(COUNTS), list(COUNTS.values()))
    other = np.isin(split, ["test", "pool"])[:, None]
    heights = HEIGHTS * (1 + 0.06 * draw.normal(size=(count, len(HEIGHTS))))
    heights[:, 3] += effect * label
    peaks = np.exp(-0.5 * ((WAVELENGTHS - CENTRES[:, None]) / WIDTHS[:, None]) ** 2)
    curves = heights @ peaks + 0.1 + 0.15 * (WAVELENGTHS - 900) / 800
    gain = np.where(other, 1.5, 1.0) * np.exp(np.where(other, 0.06, 0.02) * draw.normal(size=(count, 1)))
    offset = np.where(other, 0.3, 0.0) + np.where(other, 0.02, 0.003) * draw.normal(size=(count, 1))
    measured = gain * curves + offset + noise * draw.normal(size=curves.shape)
    frame = pd.DataFrame(measured.astype(np.float32), columns=NAMES)
    frame.insert(0, "sample_id", [f"s{i:04}" for i in range(count)])
    frame["split"], frame["instrument"] = np.where(split == "pool", "", split), np.where(other[:, 0], "B", "A")
    frame["truth"] = np.array(["wheat", "rye"])[label]
    frame["label"] = frame["truth"].where(split != "pool")
    return frame
