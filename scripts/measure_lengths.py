"""Count the texts that are longer than a backbone reads, and those with tokens that its vocabulary lacks."""

import logging
from pathlib import Path

import numpy as np

from graft.common.job import Progress, job
from graft.common.outputs import read_json, write_json
from graft.data.readers import opener
from graft.data.samples import read_manifest
from graft.embedding.input_batches import TEXT_BLOCK, in_reading_order, open_source
from graft.embedding.unknown_tokens import SHOWN, count_unknown, facts_of
from graft.networks.backbones import longest_input, tokenizer

logger = logging.getLogger("graft")
STEP = 64  # proposed lengths are multiples of it: networks compute them no slower


def main(samples, dataset, entry, folder, output):
    """Write how many texts there are, how many are cut, and which max_length would read more of them.

    The file holds texts, cut (their numbers), max_length (tokens that the backbone reads as configured), limit (tokens
    that it can read; None if there is no limit), longest (tokens of the longest text) and seen (share of all tokens
    that is read). And proposed, the max_length that reads all texts, or as much as the network can (None where nothing
    is cut or nothing more can be read), and still_cut (texts that it would cut).
    """
    manifest, spec = read_manifest(samples), read_json(Path(folder) / "backbone.json")
    source, length = open_source(dataset, entry, manifest.card), spec["preprocessing"]["max_length"]
    found, unknown = lengths(manifest.frame, opener(source.entry, source.root), tokenizer(folder))
    limit, cut, longest = longest_input(spec), found > length, int(found.max(initial=0))
    proposed = min(-(-longest // STEP) * STEP, limit or np.inf) if cut.any() else None
    proposed = int(proposed) if proposed and proposed > length else None
    facts = {"backbone": spec["name"], "max_length": length, "limit": limit, "texts": len(found), "cut": int(cut.sum())}
    facts |= {"longest": longest, "seen": float(np.minimum(found, length).sum() / max(1, found.sum()))}
    still = int((found > proposed).sum()) if proposed else facts["cut"]
    logger.info("%d of %d texts are longer than %d tokens", facts["cut"], facts["texts"], length)
    logger.info("%d of them have tokens that the vocabulary lacks", unknown["texts"])
    write_json(output, {**facts, "proposed": proposed, "still_cut": still, "unknown": unknown})


def lengths(rows, load, words):
    """Tokens of each text, uncut (int64 array, in reading order), and what the vocabulary lacks of them."""
    rows, found, unknown = in_reading_order(rows), [np.zeros(0, np.int64)], []
    progress = Progress("counting tokens", len(rows), "texts")
    for start in range(0, len(rows), TEXT_BLOCK):
        block = rows.iloc[start : start + TEXT_BLOCK]
        texts = [load(row.path, row.row, row.content_sha256) for row in block.itertuples()]
        ids = words(texts, padding=False, split_special_tokens=True, return_attention_mask=False, verbose=False)
        found.append(np.array([len(one) for one in ids["input_ids"]], np.int64))
        unknown.append(facts_of(words, texts, block, *count_unknown(words, ids["input_ids"])))
        progress.add(len(block))
    sums = {key: sum(one[key] for one in unknown) for key in ("texts", "mostly", "tokens")}
    return np.concatenate(found), {**sums, "examples": [text for one in unknown for text in one["examples"]][:SHOWN]}


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            folder=Path(snakemake.input.backbone).parent,
            output=snakemake.output.lengths,
        )
