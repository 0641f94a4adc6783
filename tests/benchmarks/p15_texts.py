"""P15: embedding 3,946 messages of 20 Newsgroups with MiniLM, nothing stored, against sentence-transformers."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers import models as modules

import assets
from benchmarks.harness import THREADS, Row, alternate
from benchmarks.own_runs import backbone
from benchmarks.p03_text import ENTRY
from graft.common.device import choose_precision
from graft.common.fingerprint import root_of
from graft.data.prepare import prepare
from graft.data.readers import opener
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.networks import backbones
from graft.store import Store

HERE = Path(__file__).resolve().parent
OLDER = Path(sys.prefix) / "older"  # see requirements-older.txt
LENGTH, REPEATS, EXACT = 128, 2, 256  # tokens; texts whose embeddings are compared with float32


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(folder):
    dataset = assets.dataset("newsgroups") / "dataset.json"
    prepared = prepare("news", {**ENTRY, "limit": None, "duplicates": "allow"}, root_of(dataset), THREADS)
    source, rows = open_source(dataset, ENTRY, prepared.card), prepared.frame
    minilm, lab = backbone("minilm", prepared.card, max_length=LENGTH), Store(folder / "lab")
    mode = {"threads": THREADS, "engine": "auto"}
    features.embed(rows[:1], source, minilm, lab, **mode)  # the network is converted once for all of a lab's data
    load = opener(source.entry, source.root)
    texts = [load(row.path, row.row, row.content_sha256) for row in rows.itertuples()]

    def ours():
        with tempfile.TemporaryDirectory() as store:
            shutil.copytree(lab.root / "networks", Path(store) / "networks")
            return features.embed(rows, source, minilm, Store(store), **mode)[0]

    exact, _ = features.embed(rows[:EXACT], source, minilm, Store(folder / "exact"), "fp32", threads=THREADS)
    for name, words, encode in peers(folder / "hub", texts):
        ours_s, other_s, found, theirs = alternate(ours, encode, REPEATS)
        quality = {"ours": f"cosine {_cosine(found, exact):.4f}", "other": f"cosine {_cosine(theirs, exact):.4f}"}
        what = f"embed {len(rows):,} messages of up to {LENGTH} tokens; other: sentence-transformers, {words}"
        yield Row(name, what, ours_s, other_s, ("at least", 1), quality)


def peers(folder, texts):
    """(row, words, function that encodes the texts): the same weights through each engine, in the numbers that are its fastest here."""
    loaded = assets.backbone("minilm")
    network = backbones.load(loaded)
    network.network.save_pretrained(folder)
    backbones.tokenizer(loaded).save_pretrained(folder)
    transformer = modules.Transformer(str(folder), max_seq_length=LENGTH)
    made = SentenceTransformer(
        modules=[transformer, modules.Pooling(network.width, "mean"), modules.Normalize()], device="cpu"
    )
    made.save(str(folder / "whole"))
    if choose_precision("auto", None) == "bf16":
        made = made.bfloat16()
    yield "P15", "torch", lambda: made.encode(texts)
    (folder / "texts.json").write_text(json.dumps(texts))
    command = [sys.executable, HERE / "older_encoder.py", folder / "whole", folder / "texts.json", folder / "found.npy"]
    path = os.pathsep.join([str(OLDER), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    ) as child:
        while (line := child.stdout.readline()) != "ready\n":
            if not line:
                raise RuntimeError("sentence-transformers with OpenVINO did not start")

        def encode():
            child.stdin.write("again\n")
            child.stdin.flush()
            float(child.stdout.readline())
            return np.load(folder / "found.npy")

        yield "P15b", "OpenVINO (through optimum-intel, with the older transformers that it needs)", encode
        child.stdin.close()


def _cosine(found, exact):
    a, b = np.float64(found[: len(exact)]), np.float64(exact)
    return float(((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).min())
