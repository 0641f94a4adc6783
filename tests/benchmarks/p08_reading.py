"""P8: training batches out of the store against `datasets`, item by item, and against decoding the files again."""

import tempfile
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.transforms.functional import pil_to_tensor

from benchmarks.harness import Row, alternate
from graft.outputs import sha256_of
from graft.store import Store

COUNT, SIZE, BATCH = 2000, 96, 64


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(folder):
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 255, (COUNT, 12, 12, 3), dtype=np.uint8)
    images = np.stack(
        [np.asarray(Image.fromarray(one).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for one in coarse]
    )
    for number, image in enumerate(images):
        place = folder / "files" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:05d}.jpg", quality=95)
    contents = [sha256_of(str(number)) for number in range(COUNT)]
    table = Store(folder / "store").table("images", images.shape[1:], np.uint8)
    for start in range(0, COUNT, 512):
        table.append(contents[start : start + 512], images[start : start + 512])
    positions = table.locate(contents)
    features = datasets.Features({"pixels": datasets.Array3D(images.shape[1:], "uint8")})
    arrow = datasets.Dataset.from_dict({"pixels": list(images)}, features=features)
    arrow.save_to_disk(folder / "arrow")
    arrow = datasets.load_from_disk(folder / "arrow").with_format("torch")
    files = ImageFolder(folder / "files", transform=pil_to_tensor)
    batches = draw.permutation(COUNT)[: COUNT // BATCH * BATCH].reshape(-1, BATCH)

    def ours():
        return [torch.from_numpy(table.gather(positions[batch])) for batch in batches]

    def items():
        return [torch.stack([arrow[int(i)]["pixels"] for i in batch]) for batch in batches]

    def decode():
        return [torch.stack([files[int(i)][0] for i in batch]) for batch in batches]

    for name, what, other, least in (("P8", "`datasets` per item", items, 50), ("P8b", "ImageFolder", decode, 100)):
        ours_s, other_s, mine, theirs = alternate(ours, other)
        if name == "P8" and not all(torch.equal(a, b.to(torch.uint8)) for a, b in zip(mine, theirs, strict=True)):
            raise RuntimeError("the batches differ")
        yield Row(
            name,
            f"{batches.size:,} images of {SIZE} px in batches of {BATCH}; other: {what}",
            ours_s,
            other_s,
            ("at least", least),
            quality={"ours": str(mine[0].dtype), "other": str(theirs[0].dtype)},
            counts={"bytes": sum(batch.nbytes for batch in mine)},
        )
