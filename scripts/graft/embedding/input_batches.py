"""From the manifest's rows to a network's input batches: images, texts and vectors behind one interface.

An `Inputs` object has `lengths` (tokens per sample for texts, else ones), `arrays(indices)` (as stored, and padded), `batch(indices)`
(the same as tensors on the CPU), `prepare(batch, device, views=None)` (what the network of torch takes; `views` are augmentations,
one per sample) and `counts` (of what opening it cost: "decodes" of images, "tokens" and "tokenized" of texts). torch is imported
where tensors are asked for: what OpenVINO runs needs none.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from graft.common.errors import UserError, raise_all
from graft.common.job import Progress
from graft.data import images, readers
from graft.data.images import image_format, values_of
from graft.embedding import unknown_tokens

logger = logging.getLogger("graft")
DECODE_BLOCK = 1024  # images per shard: an interruption loses at most these
TEXT_BLOCK = 4096  # texts per shard
TOGETHER = 32  # images that a thread decodes at a time: handing over a small one costs as much as decoding it


def open_inputs(rows, source, backbone, store, threads=1):
    """The inputs of `rows` for one backbone.

    Parameters
    ----------
    rows : DataFrame with path, row, content_sha256
    source : SimpleNamespace with entry, root (of the data set) and card (data_card.json)
    backbone : SimpleNamespace with spec (backbone.json) and folder
    store : Store, where decoded images are kept
    """
    modality = backbone.spec["modality"]
    if source.card["modality"] != modality:
        raise UserError(
            f"data set '{source.card['dataset']}' holds {source.card['modality']}s, but the backbone takes {modality}s"
        )
    return {"image": ImageInputs, "text": TextInputs, "vector": VectorInputs}[modality](
        rows, source, backbone, store, threads
    )


def transform_key(spec, card):
    """Everything between a sample's content and the network's input that changes the result."""
    key = {"preprocessing": spec["preprocessing"]}
    if spec["modality"] == "image":
        key |= values_of(image_format(card))
    return key


def pixel_scale(preprocessing, form):
    """How stored pixels become a network's input: (pixels - low) * scale + shift.

    Parameters
    ----------
    preprocessing : dict with mean and std, of backbone.json
    form : dict, what `images.image_format` gave

    Returns
    -------
    dict with low (float), scale and shift (lists of 3 floats, of the network's channels)
    """
    low, high = form["range"]
    mean, std = (np.array(preprocessing[key], np.float64) for key in ("mean", "std"))
    return {"low": float(low), "scale": (1 / ((high - low) * std)).tolist(), "shift": (-mean / std).tolist()}


class Inputs:
    """What all inputs share: tensors are made of arrays."""

    def batch(self, indices):
        import torch

        found = self.arrays(indices)
        if isinstance(found, dict):
            return {key: torch.from_numpy(value) for key, value in found.items()}
        return torch.from_numpy(found)

    def prepare(self, batch, device, views=None):
        if isinstance(batch, dict):
            return {key: value.to(device, non_blocking=True) for key, value in batch.items()}
        return batch.to(device, non_blocking=True)


class ImageInputs(Inputs):
    """Images decoded and fitted once per (content, format, size), kept in the store, augmented on the device."""

    def __init__(self, rows, source, backbone, store, threads):
        self.preprocessing = backbone.spec["preprocessing"]
        self.format = image_format(source.card)
        self.scale = pixel_scale(self.preprocessing, self.format)
        fit = {key: self.preprocessing[key] for key in ("size", "fit", "crop", "interpolation")}
        shape = (fit["size"], fit["size"], self.format["channels"])
        self.table = store.table("images", shape, **{**fit, **values_of(self.format)})
        self.counts = {"decodes": self._decode_missing(rows, source, threads)}
        self.positions = self.table.locate(rows["content_sha256"])
        self.lengths = np.ones(len(rows), np.int64)

    def arrays(self, indices):
        return self.table.gather(self.positions[indices])

    def prepare(self, batch, device, views=None):
        import torch

        scale, shift = (torch.tensor(self.scale[key], dtype=torch.float32).to(device) for key in ("scale", "shift"))
        pixels = batch.to(device, non_blocking=True).float()
        pixels = pixels.sub_(self.scale["low"]) if self.scale["low"] else pixels
        pixels = pixels if views is None else _augmented(pixels, views)
        # One pass over the memory, which also makes three channels of one.
        pixels = torch.addcmul(shift, pixels, scale)
        return pixels.permute(0, 3, 1, 2)  # a view: the memory stays NHWC, which is channels_last

    def augmented(self, indices, views):
        """As `arrays`, with a view of each: float32."""
        pixels = self.batch(indices).float() - self.scale["low"]
        return (_augmented(pixels, views) + self.scale["low"]).numpy()

    def _decode_missing(self, rows, source, threads):
        """Decode the images that the store lacks; how many."""
        wanted = missing_rows(rows, self.table)
        if not len(wanted):
            return 0
        load = readers.opener(source.entry, source.root)
        progress = Progress("decoding", len(wanted), "images")

        def decode(row):
            array = load(row.path, row.row, row.content_sha256)
            return images.to_input(array, self.format, self.preprocessing, row.path)

        with ThreadPoolExecutor(max(1, threads)) as pool:
            for start in range(0, len(wanted), DECODE_BLOCK):
                block = wanted.iloc[start : start + DECODE_BLOCK]
                arrays = gather_errors(pool, decode, list(block.itertuples()))
                self.table.append(list(block["content_sha256"]), np.stack(arrays))
                progress.add(len(block))
        return len(wanted)


def _augmented(pixels, views):
    from graft.networks.augment import apply_views

    return apply_views(pixels.permute(0, 3, 1, 2), views).permute(0, 2, 3, 1).contiguous()


class TextInputs(Inputs):
    """Texts as token ids, kept in the store once per tokenizer and length; a batch is padded to its longest text only."""

    def __init__(self, rows, source, backbone, store, threads):
        from graft.networks.backbones import tokenizer as load_tokenizer

        settings = backbone.spec["preprocessing"]
        self.spec = backbone.spec
        self.tokenizer, self.max_length = load_tokenizer(backbone.folder, backbone.spec), settings["max_length"]
        self.table = store.table(
            "tokens", (self.max_length + 1,), _id_dtype(self.tokenizer), tokenizer=settings["tokenizer"]
        )
        tokenized = self._tokenize_missing(rows, source)
        self.positions = self.table.positions(rows["content_sha256"])
        blocks = [self.positions[start : start + TEXT_BLOCK] for start in range(0, len(rows), TEXT_BLOCK)]
        self.lengths = np.concatenate([np.zeros(0, np.int64)] + [self.table.gather(block)[:, 0] for block in blocks])
        self.lengths = self.lengths.astype(np.int64)
        self.counts = {"tokens": int(self.lengths.sum())} | ({"tokenized": tokenized} if tokenized else {})

    def arrays(self, indices):
        return padded(self._token_rows(indices), self.tokenizer.pad_token_id or 0)

    def _token_rows(self, indices):
        return self.table.gather(self.positions[indices])

    def _tokenize_missing(self, rows, source):
        """Tokenize the texts that the store lacks; how many."""
        wanted = missing_rows(rows, self.table)
        load = readers.opener(source.entry, source.root)
        for start in range(0, len(wanted), TEXT_BLOCK):
            block = wanted.iloc[start : start + TEXT_BLOCK]
            texts = [load(row.path, row.row, row.content_sha256) for row in block.itertuples()]
            tokens = token_rows(self.tokenizer, texts, self.max_length)
            unknown_tokens.look(
                self.tokenizer, texts, block, [row[1 : row[0] + 1].tolist() for row in tokens], self.spec
            )
            self.table.append(list(block["content_sha256"]), tokens)
        return len(wanted)


class VectorInputs(Inputs):
    """Feature vectors as they are in the user's files."""

    def __init__(self, rows, source, backbone, store, threads):
        self.counts = {}
        load = readers.opener(source.entry, source.root)
        self.vectors = np.empty((len(rows), source.card["vector"]["width"]), np.float32)
        for row in in_reading_order(rows.reset_index(drop=True)).itertuples():
            self.vectors[row.Index] = load(row.path, row.row, row.content_sha256)
        self.lengths = np.ones(len(rows), np.int64)

    def arrays(self, indices):
        return self.vectors[indices]


class Chosen(Inputs):
    """A subset of some inputs: those at `indices`."""

    def __init__(self, inputs, indices):
        self.inputs, self.indices = inputs, np.asarray(indices)
        self.lengths, self.prepare = inputs.lengths[self.indices], inputs.prepare

    def arrays(self, indices):
        return self.inputs.arrays(self.indices[indices])

    def augmented(self, indices, views):
        return self.inputs.augmented(self.indices[indices], views)


def pinned(batch, device):
    """A batch in memory from which a GPU copies while it computes."""
    if device.type != "cuda":
        return batch
    return {key: value.pin_memory() for key, value in batch.items()} if isinstance(batch, dict) else batch.pin_memory()


def missing_rows(rows, table):
    """The rows whose content a table of the store lacks, one per content, in reading order."""
    return in_reading_order(rows[table.locate(rows["content_sha256"]) < 0].drop_duplicates("content_sha256"))


def in_reading_order(rows):
    """The rows as they are in the files: a table that is read a part at a time is then read once."""
    return rows.sort_values(["path", "row"], kind="stable")


def token_rows(tokenizer, texts, max_length):
    """The number of tokens of each text, and after it their ids; array, shape (n, max_length + 1).

    Texts are cut at `max_length` tokens. Texts that spell a special token are text, not that token.
    """
    rows = np.zeros((len(texts), max_length + 1), _id_dtype(tokenizer))
    if not texts:
        return rows
    found = tokenizer(
        texts,
        truncation=True,
        max_length=max_length,
        padding=False,
        split_special_tokens=True,
        return_attention_mask=False,
    )["input_ids"]
    for row, ids in zip(rows, found, strict=True):
        row[0], row[1 : len(ids) + 1] = len(ids), ids
    return rows


def padded(rows, pad_id, longest=None):
    """input_ids and attention_mask, int64 arrays of shape (n, longest), of rows that `token_rows` made; by default of the longest."""
    lengths = rows[:, :1].astype(np.int64)
    longest = longest or int(lengths.max())
    real = np.arange(longest) < lengths
    ids = np.where(real, rows[:, 1 : longest + 1].astype(np.int64), pad_id)
    return {"input_ids": ids, "attention_mask": real.astype(np.int64)}


def _id_dtype(tokenizer):
    return np.uint16 if len(tokenizer) < 1 << 16 else np.uint32


def gather_errors(pool, function, items):
    """[function(item)] over a thread pool; the user errors of all items are raised together."""

    def attempt(part):
        return [_attempt(function, item) for item in part]

    parts = pool.map(attempt, [items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER)])
    results = [result for part in parts for result in part]
    raise_all([result for result in results if isinstance(result, UserError)])
    return results


def _attempt(function, item):
    try:
        return function(item)
    except UserError as error:
        return error


def open_source(dataset_json, entry, card):
    """Where a data set's contents are: its config entry, the root that its dataset.json names, its card."""
    from graft.data.readers import root_of, settled

    return SimpleNamespace(entry=settled(entry, card), root=root_of(dataset_json), card=card)
