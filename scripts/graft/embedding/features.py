"""Embeddings of a data set, forwarding only the samples that the store lacks."""

import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from graft.common.device import choose_precision
from graft.common.errors import UserError
from graft.common.job import Progress
from graft.common.outputs import read_json
from graft.data.images import image_format
from graft.embedding.engines import converts_from, open_engine
from graft.embedding.engines.verdicts import FEW
from graft.embedding.input_batches import (
    Chosen,
    in_reading_order,
    missing_rows,
    open_inputs,
    pixel_scale,
    transform_key,
)
from graft.store.feature_files import rows_per_block

logger = logging.getLogger("graft")
SHARD = 2048  # embeddings per shard: an interruption loses at most these
OPEN = 8 * SHARD  # samples whose inputs are open at once: finding them in the store costs as much for few as for many
UNIT = 256  # images: a number of whole batches of any engine


def embed(rows, source, backbone, store, precision="auto", **mode):
    """Embeddings of `rows` by a frozen backbone, all at once: float32 array, shape (n, width), and the counts.

    See `embed_blocks`, which large sets need.
    """
    blocks, counts = embed_blocks(rows, source, backbone, store, precision, **mode)
    return np.concatenate(list(blocks)), counts


def embed_blocks(rows, source, backbone, store, precision="auto", shards=None, **mode):
    """Embed by a frozen backbone what the store lacks; then the embeddings of all `rows` in blocks.

    Parameters
    ----------
    rows : DataFrame with sample_id, path, row, content_sha256
    source : SimpleNamespace with entry, root, card (see input_batches.open_source)
    backbone : SimpleNamespace with spec, folder, weights (digest) and network() -> Module
    store : Store
    precision : 'auto', 'fp32' or 'bf16'
    shards : dict, optional, what made the values of jobs that embedded a share each
    mode : device, threads, layout ('channels_last' or 'contiguous', of images in memory), engine, see engines.open_engine

    Returns
    -------
    iterator of float32 arrays, shape (m, width), which follow `rows`; there is at least one, be it empty
    dict of counts: "samples", "decodes", "forwards", "tokens", "padded_tokens"
    """
    width = backbone.spec["width"]
    if backbone.spec["library"] == "vectors":
        network = backbone.network()
        read = lambda part: of_vectors(network, open_inputs(part, source, backbone, store).vectors)  # noqa: E731
        return _in_blocks(rows, width, read), no_work(rows)
    counts, table = no_work(rows), shards and table_of(source, backbone, store, shards)
    if table is None or len(missing_rows(rows, table)):
        made_by, counts = embed_missing(rows, source, backbone, store, precision, **mode)
        table = table_of(source, backbone, store, made_by)
        if len(missing_rows(rows, table)):
            hint = "run the workflow again; a larger store.max_gb avoids this"
            raise UserError("other jobs have cleared embeddings of this one from the store", "store.max_gb", None, hint)
    return _in_blocks(table.positions(rows["content_sha256"]), width, table.gather), counts


def embed_missing(rows, source, backbone, store, precision="auto", threads=1, **mode):
    """Embed what the store lacks of `rows`, and keep it there; what made it (see engines), and the counts."""
    counts = no_work(rows)
    if not len(rows):  # as of a job whose share is empty: there is no sample to try a network with
        return {"engine": "torch", "precision": "fp32"}, counts
    engine = engine_for(rows, source, backbone, store, precision, threads, counts=counts, **mode)
    table = table_of(source, backbone, store, engine.made_by)
    wanted = missing_rows(rows, table)
    if not len(wanted):
        return engine.made_by, counts
    progress = Progress("embedding", len(wanted))

    def extend_table(block):
        inputs = open_inputs(block, source, backbone, store, threads)
        contents = list(block["content_sha256"])
        for first in range(0, len(block), SHARD):
            shard = Chosen(inputs, np.arange(first, min(first + SHARD, len(block))))
            values, done = forward(engine, shard, progress)
            counts.update(done)
            table.append(contents[first : first + SHARD], values)
        counts.update(inputs.counts)

    for start in range(0, len(wanted), OPEN):
        extend_table(wanted.iloc[start : start + OPEN])
    return engine.made_by, counts


def engine_for(rows, source, backbone, store, precision="auto", threads=1, samples=None, counts=None, **mode):
    """The engine that embeds samples of a data set, of which `rows` are some.

    Parameters
    ----------
    samples : int, how many there are, where the data set's card does not say it; by default as many as rows
    counts : Counter, optional, which is told how many images were decoded to try the network
    mode : device, layout and engine, see engines.open_engine
    """
    samples = samples or sum(source.card.get("counts", {}).values()) or len(rows)
    of_images = backbone.spec["modality"] == "image"
    pixels = pixel_scale(backbone.spec["preprocessing"], image_format(source.card)) if of_images else None

    def few():
        some = in_reading_order(rows.drop_duplicates("content_sha256").head(FEW))
        inputs = open_inputs(some, source, backbone, store, threads)
        inputs.hold()
        if counts is not None:
            counts["decodes"] += inputs.counts.get("decodes", 0)
        return inputs

    precision = choose_precision(precision, mode.get("device"))
    return open_engine(backbone, store, few, samples, pixels=pixels, precision=precision, threads=threads, **mode)


def no_work(rows):
    """The counts of an embedding before it begins."""
    return Counter(samples=len(rows), decodes=0, forwards=0, tokens=0, padded_tokens=0)


def share_of(rows, number, jobs, modality):
    """The rows that job `number` (from 0) of `jobs` embeds: whole units of distinct samples, dealt out in turn.

    A unit holds whole batches, so that an empty store gets from all jobs together the very numbers that one alone gives.
    """
    distinct = rows.drop_duplicates("content_sha256")
    unit = SHARD if modality == "text" else UNIT
    return distinct[np.arange(len(distinct)) // unit % jobs == number]


def _in_blocks(items, width, read):
    """`read` of successive parts of `items` (array or DataFrame), as many at a time as a features file's block has."""
    size = rows_per_block(width)
    return (read(items[start : start + size]) for start in range(0, max(1, len(items)), size))


def table_of(source, backbone, store, made_by):
    """The store's table of the embeddings of a data set by a backbone; `made_by` is that of an engine."""
    return store.table(
        "embeddings",
        (backbone.spec["width"],),
        np.float32,
        weights=backbone.weights,
        transform=transform_key(backbone.spec, source.card),
        **made_by,
    )


def of_vectors(network, vectors):
    """What the network of a backbone of library vectors makes of them: float32 array, shape (n, width). Nothing is stored."""
    import torch

    with torch.inference_mode():
        values = network(torch.from_numpy(vectors)).numpy()
    if not np.isfinite(values).all():
        raise UserError("`preprocess` gave NaN or infinite numbers", hint="look for numbers that are far too large")
    return values


def forward(engine, inputs, progress=None, views=None):
    """The output of an engine's network for every input, longest first so that batches pad little.

    `views` are augmentations, one per input (see augment.draw_views).

    Returns
    -------
    float32 array, shape (n, width)
    dict of counts: "forwards", "padded_tokens"
    """
    outputs, padded = None, 0
    for indices, values in _one_behind(engine, inputs, views):
        if outputs is None:
            outputs = np.empty((len(inputs.lengths), *values.shape[1:]), np.float32)
        outputs[indices] = values
        padded += int(inputs.lengths[indices].max()) * len(indices)
        if progress:
            progress.add(len(indices))
    if not np.isfinite(outputs).all():
        raise UserError("the backbone gave NaN or infinite embeddings", hint="try device.precision: fp32")
    return outputs, {"forwards": len(outputs), "padded_tokens": padded}


def _one_behind(engine, inputs, views):
    """The indices of each batch and its outputs, which are taken when the next batch is under way."""
    before = None
    for indices in batches_by_length(inputs.lengths, *engine.batch):
        now = indices, engine.start(inputs, indices, None if views is None else views[indices])
        if before:
            yield before[0], before[1]()
        before = now
    if before:
        yield before[0], before[1]()


def batches_by_length(lengths, samples, tokens):
    """Indices in batches, longest first: as many texts as padded make `tokens`; of inputs of one token each, `samples`."""
    order = np.argsort(-lengths, kind="stable")
    texts = len(lengths) and lengths.max() > 1
    while len(order):
        count = max(1, tokens // int(lengths[order[0]])) if texts else samples
        yield order[:count]
        order = order[count:]


def pretrained(folder, card, fitted=None):
    """A fetched backbone, ready for `embed`; its weights are read only if something must be forwarded.

    Vectors have no backbone: they are their own embedding, as wide as the data set's card says; or what `preprocess` makes
    of them, with the numbers that were `fitted` (path, or None) on the data set's train rows.
    """
    spec = read_json(Path(folder) / "backbone.json")
    if spec["library"] == "vectors":
        return _of_columns(spec, folder, card, fitted)

    # torch, which takes seconds to import, is only needed where a network is run by it or converted.
    def network(**settings):
        from graft.networks import backbones

        return backbones.load(folder, **settings)

    def stored():
        from graft.networks import backbones

        return backbones.Stored(folder)

    channels = card["image"]["channels"] if spec["modality"] == "image" and "image" in card else 3
    if channels not in (1, 3):
        return _of_bands(spec, folder, network, channels)
    return SimpleNamespace(spec=spec, folder=folder, weights=spec["weights_sha256"], network=network, stored=stored)


def _of_bands(spec, folder, load, bands):
    spec = {**spec, "bands": bands}

    def network(**settings):
        from graft.networks.bands import take_bands

        made = take_bands(load(**settings), bands)
        made.spec = spec
        return made

    return SimpleNamespace(spec=spec, folder=folder, weights=spec["weights_sha256"], network=network, stored=network)


def _of_columns(spec, folder, card, fitted):
    from safetensors.torch import load_file

    from graft.networks import backbones, preprocessing
    from graft.networks.weights import load_strictly

    state = load_file(fitted) if fitted else {}
    spec = preprocessing.complete(spec, card, state)

    def network(**settings):
        made = backbones.build(spec, **settings)
        load_strictly(made, state)
        return made

    return SimpleNamespace(spec=spec, folder=folder, weights=spec["weights_sha256"], network=network, stored=network)


def trained(content, folder):
    """The backbone of a trained model (what network.load returned); `folder` holds its tokenizer."""
    from graft.networks.network import from_dict

    return SimpleNamespace(
        spec=content["backbone"],
        folder=folder,
        weights=content["digests"]["backbone"],
        network=lambda: from_dict(content).backbone,
        converts_from=0 if content["frozen"] else converts_from(content["state_dict"]),
    )
