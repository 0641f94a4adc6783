"""A finished run without its training: manifest, small untrained network, embeddings, as the stages write them."""

from pathlib import Path
from types import SimpleNamespace

import torch

from graft.common.outputs import write_json, write_text, write_torch
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.embedding import features
from graft.networks import backbones, network
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training.model_file import meaning_of
from tiny_data import THREE_WAY

MODEL = "cells.tiny.full"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "text", "number", *"0123456789"]
BERT = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
}
IMAGE = {"size": 160, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic", "fit": "squash", "crop": 1.0}
TEXT = {"max_length": 12, "pooling": "mean", "normalize": False, "tokenizer": "BertTokenizer 1"}
SPECS = {
    "image": {"library": "timm", "architecture": "test_vit", "width": 64, "preprocessing": IMAGE},
    "text": {
        "library": "transformers",
        "architecture": "bert",
        "width": 8,
        "config": BERT,
        "preprocessing": TEXT,
    },
    "vector": {"library": "vectors", "architecture": "identity", "preprocessing": {}},
}


def finished_run(folder, root, **entry):
    """Write results/ and resources/ below `folder` for the data in `root`; gives the path of ft_model.pt."""
    folder, entry = Path(folder), complete({**THREE_WAY, **entry})
    prepared = prepare("cells", entry, root)
    data = folder / "results/data/cells"
    names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
    write(prepared, {key: data / names.get(key, f"{key}.digest") for key in (*names, "labelled", "pool")})
    content = _untrained(prepared)
    backbone = folder / "resources/backbones/tiny"
    write_json(backbone / "backbone.json", content["backbone"])
    if prepared.card["modality"] == "text":
        write_text(backbone / "vocab.txt", "\n".join(WORDS) + "\n")
        write_json(backbone / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True})
        write_json(backbone / "config.json", BERT)
    model = folder / "results/finetune" / MODEL / "seed0/ft_model.pt"
    write_torch(model, content)
    rows = prepared.frame[prepared.frame["split"] != "pool"]
    source = SimpleNamespace(entry=entry, root=root, card=prepared.card)
    trained = features.trained(content, backbone)
    embeddings, _ = features.embed(rows, source, trained, Store(folder / "store"), "fp32")  # the same on every machine
    write_features(folder / f"results/features/cells/{MODEL}.seed0/labelled.parquet", rows, embeddings)
    return model


def _untrained(prepared):
    card, (target, facts) = prepared.card, next(iter(prepared.targets.items()))
    modality = card["modality"]
    spec = {"name": "tiny", "modality": modality, "weights_sha256": "0" * 64, **SPECS[modality]}
    if modality == "vector":
        spec["width"] = card["vector"]["width"]
    is_class = facts["kind"] == "classification"
    more = {"temperature": 2.0} if is_class else {"mean": 5.0, "std": 2.0, "residual_std": 0.5}
    torch.manual_seed(0)
    return network.to_dict(
        network.Network(backbones.build(spec), {target: len(facts["classes"]) if is_class else 1}),
        name=MODEL,
        seed=0,
        method="full",
        dataset="cells",
        targets={target: {**facts, **more}},
        fold_heads={},
        frozen=False,
        **meaning_of(card),
    )
