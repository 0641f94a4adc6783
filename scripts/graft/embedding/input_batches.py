"""From the manifest's rows to a network's input batches: images, texts and vectors behind one interface.

An `Inputs` object has `lengths` (tokens per sample for texts, else ones), `arrays(indices)` (as stored, and padded), `batch(indices)`
(the same as tensors on the CPU), `prepare(batch, device, views=None)` (what the network of torch takes; `views` are augmentations,
one per sample) and `counts` (of what opening it cost: "decodes" of images, "tokens" and "tokenized" of texts). torch is imported
where tensors are asked for: what OpenVINO runs needs none.
"""

import logging
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from graft.common.errors import UserError, raise_all
from graft.common.job import Progress
from graft.data import images, readers
from graft.data.images import image_format, limits_of, values_of
from graft.embedding import unknown_tokens
from graft.networks.words import words_of
from graft.store import IMAGES, NoRoom

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
    dict with low (float, or a list of one per band), scale and shift (lists of floats, one per channel of the network)
    """
    low, high = map(np.asarray, limits_of(form))
    mean, std = (np.array(of_bands(preprocessing[key], form["channels"])) for key in ("mean", "std"))
    scale, shift = 1 / ((high - low) * std), -mean / std
    return {"low": low.astype(float).tolist(), "scale": scale.tolist(), "shift": shift.tolist()}


def of_bands(values, channels):
    """What `preprocessing` has for red, green and blue (floats) for images of so many channels.

    Other bands take them in turn, as the network's first layer does with its weights (see networks/bands).
    """
    return list(values) if channels in (1, 3) else [values[band % len(values)] for band in range(channels)]


class Inputs:
    """What all inputs share: tensors are made of arrays."""

    def hold(self):
        """Keep them in memory, where reading them costs something."""

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
    """Images decoded and fitted once per (content, format, size), kept in the store, augmented on the device.

    Those that the store does not keep are decoded each time that they are read.
    """

    def __init__(self, rows, source, backbone, store, threads):
        self.preprocessing = backbone.spec["preprocessing"]
        self.format = image_format(source.card)
        self.scale = pixel_scale(self.preprocessing, self.format)
        self.in_bands = images.in_bands(self.format.get("bands"), self.format["channels"])
        fit = {key: self.preprocessing[key] for key in ("size", "fit", "crop", "interpolation")}
        shape = (fit["size"], fit["size"], self.format["channels"])
        self.table, self.counts = store.table(IMAGES, shape, **{**fit, **values_of(self.format)}), Counter(decodes=0)
        self._source, self._load, self._threads, self._pool, self._held = source, None, max(1, threads), None, None
        self.positions = self.table.locate(rows["content_sha256"])
        if (self.positions < 0).any() and self._are_kept(store, source.card):
            self._store_missing(rows)
            self.positions = self.table.locate(rows["content_sha256"])
        self.rows = rows[["path", "row", "content_sha256"]]
        self.lengths, self._on_device = np.ones(len(rows), np.int64), {}

    def arrays(self, indices):
        if self._held is not None:
            return self._held[indices]
        positions = self.positions[indices]
        stored = positions >= 0
        if stored.all():
            return self.table.gather(positions)
        found = np.empty((len(positions), *self.table.shape), self.table.dtype)
        found[stored] = self.table.gather(positions[stored])
        found[~stored] = self._decoded(self.rows.iloc[np.asarray(indices)[~stored]])
        return found

    def hold(self):
        """Keep them all in memory: of a few, which are read several times."""
        self._held = self.arrays(np.arange(len(self.rows)))

    def prepare(self, batch, device, views=None):
        import torch

        low, scale, shift = self._constants(device)
        pixels = batch.to(device, non_blocking=True).float()
        pixels = pixels.sub_(low) if np.any(self.scale["low"]) else pixels
        pixels = pixels if views is None else _augmented(pixels, views, self.in_bands)
        # One pass over the memory, which also makes three channels of one.
        pixels = torch.addcmul(shift, pixels, scale)
        return pixels.permute(0, 3, 1, 2)  # a view: the memory stays NHWC, which is channels_last

    def _constants(self, device):
        """Low, scale and shift on a device. They are copied there once: each copy would wait for all that a GPU has to do."""
        if device not in self._on_device:
            values = (np.array(self.scale[key], np.float32) for key in ("low", "scale", "shift"))
            self._on_device[device] = [on_device(one, device) for one in values]
        return self._on_device[device]

    def augmented(self, indices, views):
        """As `arrays`, with a view of each: float32."""
        low, _, _ = self._constants("cpu")
        return (_augmented(self.batch(indices).float() - low, views, self.in_bands) + low).numpy()

    def _are_kept(self, store, card):
        """Whether the store keeps the images that it lacks, were it to lack all others of the data set, too."""
        every = max(len(self.positions), sum(card.get("counts", {}).values()))
        lacking = every - int((self.positions >= 0).sum())
        size = lacking * math.prod(self.table.shape) * self.table.dtype.itemsize
        return store.keeps_images(card.get("dataset"), self.table.folder, size)

    def _store_missing(self, rows):
        """Decode the images that the store lacks, and keep them there."""
        wanted = missing_rows(rows, self.table)
        progress = Progress("decoding", len(wanted), "images")
        for start in range(0, len(wanted), DECODE_BLOCK):
            block = wanted.iloc[start : start + DECODE_BLOCK]
            arrays = self._decoded(block)
            try:
                self.table.append(list(block["content_sha256"]), arrays)
            except NoRoom:  # other jobs have filled it meanwhile
                return
            progress.add(len(block))

    def _decoded(self, rows):
        """The images of some rows, decoded now by a pool of threads; array, shape (n, size, size, channels)."""
        if self._load is None:
            self._load = readers.opener(self._source.entry, self._source.root)
            self._pool = ThreadPoolExecutor(self._threads)
        self.counts["decodes"] += len(rows)
        together = min(TOGETHER, -(-len(rows) // self._threads))
        return np.stack(gather_errors(self._pool, self._decode, list(rows.itertuples()), together))

    def _decode(self, row):
        array = self._load(row.path, row.row, row.content_sha256)
        return images.to_input(array, self.format, self.preprocessing, row.path)


def _augmented(pixels, views, per_band):
    from graft.networks.augment import apply_views

    return apply_views(pixels.permute(0, 3, 1, 2), views, per_band).permute(0, 2, 3, 1).contiguous()


class TextInputs(Inputs):
    """Texts as token ids, kept in the store once per tokenizer and length; a batch is padded to its longest text only."""

    def __init__(self, rows, source, backbone, store, threads):
        settings = backbone.spec["preprocessing"]
        self.spec = backbone.spec
        self.tokenizer, self.max_length = words_of(backbone.folder, backbone.spec), settings["max_length"]
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
    """Tensors (one, a dict or None) in memory from which a GPU copies while it computes; as they are for another device."""
    import torch

    if torch.device(device).type != "cuda":
        return batch
    return {key: value.pin_memory() for key, value in batch.items()} if isinstance(batch, dict) else batch.pin_memory()


def pinned_array(array, device):
    """The same of an array, which becomes a Tensor; None stays None."""
    import torch

    return None if array is None else pinned(torch.from_numpy(array), device)


def on_device(array, device):
    """An array as a Tensor on a device; nothing waits for a GPU."""
    return pinned_array(array, device).to(device, non_blocking=True)


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


def gather_errors(pool, function, items, together=TOGETHER):
    """[function(item)] over a thread pool, `together` items per task; the user errors of all items are raised together."""

    def attempt(part):
        return [_attempt(function, item) for item in part]

    parts = pool.map(attempt, [items[start : start + together] for start in range(0, len(items), together)])
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
