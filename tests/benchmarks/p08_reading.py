"""P8: training batches out of the store against `datasets`, item by item, and against decoding the files again.

Real pictures: the 2,624 solar cells of ELPV, grey PNGs of 300 x 300 pixels, at 224 px.
"""

import tempfile
from collections import deque
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder

import assets
from benchmarks.harness import Row, alternate
from graft.common.fingerprint import root_of
from graft.common.outputs import sha256_of
from graft.data import images
from graft.store import Store

SIZE, BATCH, BATCHES, SHARD = 224, 64, 16, 1024


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder), root_of(assets.dataset("elpv") / "dataset.json"))


def _rows(folder, root):
    resize = transforms.Resize((SIZE, SIZE), transforms.InterpolationMode.BILINEAR)
    # Grey as they are: the usual loader would make them RGB and resize three channels.
    files = ImageFolder(root, transforms.Compose([resize, transforms.PILToTensor()]), loader=Image.open)
    data = [Path(path).read_bytes() for path, _ in files.samples]
    pixels = np.stack([images.fit(images.decode(one), SIZE, "squash", interpolation="bilinear") for one in data])
    contents = [sha256_of(one) for one in data]
    table = Store(folder / "store").table("images", pixels.shape[1:], pixels.dtype)
    for start in range(0, len(pixels), SHARD):
        table.append(contents[start : start + SHARD], pixels[start : start + SHARD])
    positions = table.locate(contents)
    features = datasets.Features({"pixels": datasets.Array3D(pixels.shape[1:], "uint8")})
    datasets.Dataset.from_dict({"pixels": list(pixels)}, features=features).save_to_disk(folder / "arrow")
    arrow = datasets.load_from_disk(folder / "arrow").with_format("torch")
    order = np.random.default_rng(0).permutation(len(pixels))[: BATCHES * BATCH]
    batches = order.reshape(BATCHES, BATCH)

    def ours():
        yield from (torch.from_numpy(table.gather(positions[batch])) for batch in batches)

    def items():
        yield from (torch.stack([arrow[int(i)]["pixels"] for i in batch]) for batch in batches)

    def decode():
        yield from (torch.stack([files[int(i)][0] for i in batch]).permute(0, 2, 3, 1) for batch in batches)

    for name, what, other, least in (("P8", "`datasets` per item", items, 50), ("P8b", "ImageFolder", decode, 100)):
        for mine, theirs in zip(ours(), other(), strict=True):
            if not torch.equal(mine, theirs.to(torch.uint8)):
                raise RuntimeError(f"{what} reads other pixels")
        # Each batch is let go when the next one is asked for, as in a training loop
        ours_s, other_s, *_ = alternate(lambda: deque(ours(), maxlen=1), lambda one=other: deque(one(), maxlen=1), 5)
        yield Row(
            name,
            f"{batches.size:,} of {len(pixels):,} images of {SIZE} px in batches of {BATCH}; other: {what}",
            ours_s,
            other_s,
            ("at least", least),
            quality={"ours": str(mine.dtype), "other": f"{theirs.dtype}, the same pixels"},
            counts={"bytes": mine.nbytes * len(batches)},
        )
