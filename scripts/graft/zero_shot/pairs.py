"""What a classifier of pairs of texts says of every sample and description, forwarding only pairs that the store lacks."""

import logging
from types import SimpleNamespace

import numpy as np
from torch import nn

from graft.common.errors import UserError
from graft.common.job import Progress
from graft.data import readers
from graft.embedding.engines import open_engine
from graft.embedding.engines.verdicts import FEW
from graft.embedding.features import forward
from graft.embedding.input_batches import Inputs, missing_rows
from graft.networks.backbones import load_pair_classifier, tokenizer

logger = logging.getLogger("graft")
BLOCK = 1024  # pairs per shard: an interruption loses at most these


class Pairs(Inputs):
    """Pairs of texts as inputs of a network (see input_batches); of each, the sample alone is cut where it is too long."""

    def __init__(self, texts, query, words, settings, query_first):
        first, second = ([query] * len(texts), texts) if query_first else (texts, [query] * len(texts))
        found = words(
            first,
            second,
            truncation="only_second" if query_first else "only_first",
            max_length=settings["max_length"],
            padding=False,
            split_special_tokens=True,
            return_attention_mask=False,
        )
        self.columns = {key: [np.asarray(row, np.int64) for row in rows] for key, rows in found.items()}
        self.pad = {key: 0 for key in self.columns} | {"input_ids": words.pad_token_id or 0}
        self.lengths = np.array([len(row) for row in self.columns["input_ids"]], np.int64)

    def arrays(self, indices):
        lengths = self.lengths[indices]
        real = np.arange(lengths.max()) < lengths[:, None]
        batch = {"attention_mask": real.astype(np.int64)}
        for key, rows in self.columns.items():
            filled = np.full(real.shape, self.pad[key], np.int64)
            filled[real] = np.concatenate([rows[index] for index in indices])
            batch[key] = filled
        return batch


class Logits(nn.Module):
    """A classifier whose forward gives the logits alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        return self.network(**inputs).logits


def answers(task, query_first=False):
    """The network's logits for every sample with every description.

    Returns
    -------
    values : dict, description -> float32 array, shape (n, labels)
    config : the network's transformers config
    """
    network = load_pair_classifier(task.backbone.folder)
    if network is None:
        raise UserError(
            f"backbone '{task.backbone.spec['name']}' has no classifier of pairs of texts",
            where=f"zero_shot.{task.settings['entry']}.backbone",
            allowed="weights whose config.json names an architecture ...ForSequenceClassification",
            hint="`method: similarity` needs no such network",
        )
    spec, config = task.backbone.spec, network.config
    key = {"weights": task.backbone.weights, "head": spec["head_sha256"], "transform": spec["preprocessing"]}
    queries = list(dict.fromkeys(query for texts in task.prompts.values() for query in texts))
    load, words = readers.opener(task.source.entry, task.source.root), tokenizer(task.backbone.folder)

    def pairs(rows, query):
        texts = [load(row.path, row.row, row.content_sha256) for row in rows.itertuples()]
        return Pairs(texts, query, words, spec["preprocessing"], query_first)

    classifier = SimpleNamespace(
        spec=spec | {"network": "pairs"}, weights=task.backbone.weights, network=Logits(network).eval
    )
    engine = open_engine(
        classifier,
        task.store,
        lambda: pairs(task.rows.head(FEW), queries[0]),
        len(task.rows),
        engine=task.engine,
        precision=task.precision,
        device=task.device,
        threads=task.threads,
    )
    key |= {**engine.made_by, "query_first": query_first}
    tables = {
        query: task.store.table("pairs", (config.num_labels,), np.float32, query=query, **key) for query in queries
    }
    missing = {query: missing_rows(task.rows, table) for query, table in tables.items()}
    task.counts.update(pairs=len(task.rows) * len(queries), forwards=0, tokens=0, padded_tokens=0)
    progress = Progress("pairs of texts", sum(map(len, missing.values())), "pairs")
    for query, rows in missing.items():
        for start in range(0, len(rows), BLOCK):
            block = rows.iloc[start : start + BLOCK]
            inputs = pairs(block, query)
            values, done = forward(engine, inputs, progress)
            task.counts.update(done, tokens=int(inputs.lengths.sum()))
            tables[query].append(list(block["content_sha256"]), values)
    logger.info("%(pairs)d pairs, %(forwards)d forwarded, %(tokens)d tokens in %(padded_tokens)d places", task.counts)
    return {query: table.read(task.rows["content_sha256"]) for query, table in tables.items()}, config


def mean_over_texts(answered, task, reading):
    """Scores of the classes: what `reading` (logits, config) takes of the logits, averaged over a class's texts."""
    values, config = answered
    read = {query: reading(one, config).astype(np.float64) for query, one in values.items()}
    return np.stack([np.mean([read[query] for query in texts], axis=0) for texts in task.prompts.values()], axis=1)
