"""Embeddings of a data set, forwarding only the samples that the store lacks."""

import logging
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import load_file

from graft.common.device import choose_precision
from graft.common.errors import UserError
from graft.common.job import Progress
from graft.common.outputs import read_json
from graft.embedding.input_batches import Chosen, missing_rows, open_inputs, transform_key
from graft.networks import backbones, preprocessing
from graft.networks.cpu import kernels
from graft.networks.network import from_dict
from graft.networks.weights import load_strictly
from graft.store.feature_files import rows_per_block

logger = logging.getLogger("graft")
SHARD = 2048  # embeddings per shard: an interruption loses at most these
OPEN = 8 * SHARD  # samples whose inputs are open at once: finding them in the store costs as much for few as for many
BATCH = {"cpu": (32, 4096), "cuda": (256, 65536)}  # images, tokens that are forwarded at once


def embed(rows, source, backbone, store, precision="auto", device=None, threads=1, layout="channels_last"):
    """Embeddings of `rows` by a frozen backbone, all at once: float32 array, shape (n, width), and the counts.

    See `embed_blocks`, which large sets need.
    """
    blocks, counts = embed_blocks(rows, source, backbone, store, precision, device, threads, layout)
    return np.concatenate(list(blocks)), counts


def embed_blocks(rows, source, backbone, store, precision="auto", device=None, threads=1, layout="channels_last"):
    """Embed by a frozen backbone what the store lacks; then the embeddings of all `rows` in blocks.

    Parameters
    ----------
    rows : DataFrame with sample_id, path, row, content_sha256
    source : SimpleNamespace with entry, root, card (see input_batches.open_source)
    backbone : SimpleNamespace with spec, folder, weights (digest) and network() -> Module
    store : Store
    precision : 'auto', 'fp32' or 'bf16'
    layout : 'channels_last' or 'contiguous', of images in memory

    Returns
    -------
    iterator of float32 arrays, shape (m, width), which follow `rows`; there is at least one, be it empty
    dict of counts: "samples", "decodes", "forwards", "tokens", "padded_tokens"
    """
    device = device or torch.device("cpu")
    precision = choose_precision(precision, device)
    width = backbone.spec["width"]
    if backbone.spec["library"] == "vectors":
        network = backbone.network()
        read = lambda part: of_vectors(network, open_inputs(part, source, backbone, store, threads).vectors)  # noqa: E731
        return _in_blocks(rows, width, read), no_work(rows)
    counts = embed_missing(rows, source, backbone, store, precision, device, threads, layout)
    table = table_of(source, backbone, store, precision)
    return _in_blocks(table.positions(rows["content_sha256"]), width, table.gather), counts


def embed_missing(rows, source, backbone, store, precision, device, threads=1, layout="channels_last"):
    """Embed what the store lacks of `rows`, and keep it there; the counts. `precision` is 'fp32' or 'bf16'."""
    counts, table = no_work(rows), table_of(source, backbone, store, precision)
    wanted = missing_rows(rows, table)
    if not len(wanted):
        return counts
    network = kernels.place(backbone.network().eval(), device, layout)
    progress = Progress("embedding", len(wanted))

    def extend_table(block):
        inputs = open_inputs(block, source, backbone, store, threads)
        counts.update(inputs.counts)
        contents = list(block["content_sha256"])
        for first in range(0, len(block), SHARD):
            shard = Chosen(inputs, np.arange(first, min(first + SHARD, len(block))))
            values, done = forward(network, shard, device, precision, progress)
            counts.update(done)
            table.append(contents[first : first + SHARD], values)

    for start in range(0, len(wanted), OPEN):
        extend_table(wanted.iloc[start : start + OPEN])
    return counts


def no_work(rows):
    """The counts of an embedding before it begins."""
    return Counter(samples=len(rows), decodes=0, forwards=0, tokens=0, padded_tokens=0)


def share_of(rows, number, jobs, modality):
    """The rows that job `number` (from 0) of `jobs` embeds: whole units of distinct samples, dealt out in turn.

    A unit holds whole batches, so that an empty store gets from all jobs together the very numbers that one alone gives.
    """
    distinct = rows.drop_duplicates("content_sha256")
    unit = SHARD if modality == "text" else BATCH["cuda"][0]
    return distinct[np.arange(len(distinct)) // unit % jobs == number]


def _in_blocks(items, width, read):
    """`read` of successive parts of `items` (array or DataFrame), as many at a time as a features file's block has."""
    size = rows_per_block(width)
    return (read(items[start : start + size]) for start in range(0, max(1, len(items)), size))


def table_of(source, backbone, store, precision):
    """The store's table of the embeddings of a data set by a backbone; `precision` is 'fp32' or 'bf16'."""
    return store.table(
        "embeddings",
        (backbone.spec["width"],),
        np.float32,
        weights=backbone.weights,
        transform=transform_key(backbone.spec, source.card),
        precision=precision,
    )


@torch.inference_mode()
def of_vectors(network, vectors):
    """What the network of a backbone of library vectors makes of them: float32 array, shape (n, width). Nothing is stored."""
    values = network(torch.from_numpy(vectors)).numpy()
    if not np.isfinite(values).all():
        raise UserError("`preprocess` gave NaN or infinite numbers", hint="look for numbers that are far too large")
    return values


@torch.inference_mode()
def forward(network, inputs, device, precision, progress=None, views=None):
    """The network's output for every input, longest first so that batches pad little.

    `views` are augmentations, one per input (see augment.draw_views).

    Returns
    -------
    float32 array, shape (n, width)
    dict of counts: "forwards", "padded_tokens"
    """
    outputs = running = None
    padded = 0
    for indices in batches_by_length(inputs.lengths, *BATCH.get(device.type, BATCH["cpu"])):
        batch = inputs.prepare(inputs.batch(indices), device, None if views is None else views[indices])
        running = running or kernels.inference(network, first_of(batch), device, precision)
        with running():
            values = network(batch).float().cpu().numpy()
        if outputs is None:
            outputs = np.empty((len(inputs.lengths), *values.shape[1:]), np.float32)
        outputs[indices] = values
        padded += int(inputs.lengths[indices].max()) * len(indices)
        if progress:
            progress.add(len(indices))
    if not np.isfinite(outputs).all():
        raise UserError("the backbone gave NaN or infinite embeddings", hint="try device.precision: fp32")
    return outputs, {"forwards": len(outputs), "padded_tokens": padded}


def batches_by_length(lengths, samples, tokens):
    """Indices in batches, longest first: as many texts as padded make `tokens`; of inputs of one token each, `samples`."""
    order = np.argsort(-lengths, kind="stable")
    texts = len(lengths) and lengths.max() > 1
    while len(order):
        count = max(1, tokens // int(lengths[order[0]])) if texts else samples
        yield order[:count]
        order = order[count:]


def first_of(batch):
    """The inputs of a batch's first sample."""
    return {key: value[:1] for key, value in batch.items()} if isinstance(batch, dict) else batch[:1]


def pretrained(folder, card, fitted=None):
    """A fetched backbone, ready for `embed`; its weights are read only if something must be forwarded.

    Vectors have no backbone: they are their own embedding, as wide as the data set's card says; or what `preprocess` makes
    of them, with the numbers that were `fitted` (path, or None) on the data set's train rows.
    """
    spec = read_json(Path(folder) / "backbone.json")
    if spec["library"] == "vectors":
        state = load_file(fitted) if fitted else {}
        spec = preprocessing.complete(spec, card, state)

        def network(**settings):
            made = backbones.build(spec, **settings)
            load_strictly(made, state)
            return made

        return SimpleNamespace(
            spec=spec, folder=folder, weights=spec["weights_sha256"], network=network, stored=network
        )
    return SimpleNamespace(
        spec=spec,
        folder=folder,
        weights=spec["weights_sha256"],
        network=partial(backbones.load, folder),
        stored=partial(backbones.Stored, folder),
    )


def trained(content, folder):
    """The backbone of a trained model (what network.load returned); `folder` holds its tokenizer."""
    return SimpleNamespace(
        spec=content["backbone"],
        folder=folder,
        weights=content["digests"]["backbone"],
        network=lambda: from_dict(content).backbone,
    )
