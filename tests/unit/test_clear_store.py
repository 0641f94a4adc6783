"""`make clear-store` deletes what no config names, and nothing else."""

from importlib.metadata import version

import numpy as np
import torch

from clear_store import main
from graft import config as graft_config
from graft.common.outputs import sha256_of, write_json
from graft.data.images import DECODER
from graft.networks.network import FORMAT
from graft.store import Store

FIT = {"size": 32, "fit": "stretch", "crop": 1.0, "interpolation": "bilinear"}
CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}}},
    "backbones": {
        **{
            name: {"library": "timm", "architecture": "resnet18", "source": {"random": True}}
            for name in ("tiny", "small")
        },
        "words": {"library": "transformers", "source": {"path": "words"}},
    },
    "finetune": {"solar": {"dataset": "cells", "backbone": "tiny", "method": "full"}},
}
STALE = [("named", "2020.1"), ("gone", version("openvino"))]
STUDENT = {"teacher": "solar.tiny.full", "backbone": "small", "augment": "flip", "epochs": 5}


def filled(root, name, kind="embeddings", **key):
    """A table of one value in the store; its folder."""
    key |= {"engine": "torch"} if kind in ("embeddings", "teacher_logits") and "engine" not in key else {}
    key = {name: value for name, value in key.items() if value is not None}
    table = Store(root).table(kind, (3,), np.float32, **key)
    table.append([sha256_of(name)], np.zeros((1, 3), np.float32))
    return table.folder


def trained(results, name, **digests):
    path = results / f"finetune/{name}/seed0/ft_model.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"format": FORMAT, "digests": digests}, path)


def test_tables_of_named_backbones_and_models_stay_and_all_others_go(tmp_path):
    results, resources = tmp_path / "results", tmp_path / "resources"
    spec = {"weights_sha256": "named", "modality": "image", "preprocessing": FIT}
    write_json(resources / "backbones/tiny/backbone.json", spec)
    text = {"weights_sha256": "text", "modality": "text", "preprocessing": {"tokenizer": "BertTokenizer 1"}}
    write_json(resources / "backbones/words/backbone.json", text)
    write_json(resources / "backbones/gone/backbone.json", spec | {"weights_sha256": "gone"})
    for model in ("solar.tiny.full", "old.tiny.full"):
        trained(results, model, backbone=f"weights of {model}")
    stay = [
        filled(tmp_path / "store", "a", weights="named"),
        filled(tmp_path / "store", "b", weights="weights of solar.tiny.full"),
        filled(tmp_path / "store", "c", kind="images", decoder=DECODER, **FIT),
        filled(tmp_path / "store", "g", kind="tokens", tokenizer="BertTokenizer 1"),
        filled(tmp_path / "store", "m", kind="networks", weights="named", openvino=version("openvino")),
        filled(tmp_path / "store", "n", kind="networks", weights="named"),  # what torch may run it in
    ]
    go = [
        filled(tmp_path / "store", "d", weights="gone"),
        filled(tmp_path / "store", "k", weights="named", engine=None),
        filled(tmp_path / "store", "o", kind="networks", weights="gone"),
        *(filled(tmp_path / "store", "l", kind="networks", weights=one, openvino=two) for one, two in STALE),
        filled(tmp_path / "store", "e", weights="weights of old.tiny.full"),
        filled(tmp_path / "store", "f", kind="images", decoder=DECODER, **FIT | {"size": 64}),
        filled(tmp_path / "store", "i", kind="images", decoder=DECODER - 1, **FIT),
        filled(tmp_path / "store", "j", kind="images", **FIT),
        filled(tmp_path / "store", "h", kind="tokens", tokenizer="BertTokenizer 2"),
    ]
    freed, spared = main([graft_config.load(CONFIG)], results, resources, Store(tmp_path / "store"))
    assert all(folder.exists() for folder in stay) and not any(folder.exists() for folder in go)
    assert freed > 0 and spared == 0


def test_a_teachers_answers_stay_while_a_student_sees_those_views_of_it(tmp_path):
    trained(tmp_path, "solar.tiny.full", backbone="b", model="teacher")

    def answers(name, model="teacher", augment="flip", view=0):
        key = {"model": model, "augment": augment, "view_seed": [view]}
        return filled(tmp_path / "store", name, kind="teacher_logits", **key)

    stay = [answers("a"), answers("b", view=2)]
    go = [answers("c", view=3), answers("d", augment="dihedral"), answers("e", model="b")]
    config = graft_config.load({**CONFIG, "distill": {"few": {**STUDENT, "views": 3}, "one": {**STUDENT, "views": 1}}})
    main([config], tmp_path, tmp_path, Store(tmp_path / "store"))
    assert all(folder.exists() for folder in stay) and not any(folder.exists() for folder in go)
    main([graft_config.load(CONFIG)], tmp_path, tmp_path, Store(tmp_path / "store"))
    assert not any(folder.exists() for folder in stay)


def test_the_answers_of_an_ensembles_members_stay_while_it_has_a_student(tmp_path):
    for name, digest in (("solar.tiny.full", "first"), ("solar.tiny.lp_ft", "second")):
        trained(tmp_path, name, backbone=digest, model=digest)
    path = tmp_path / "ensemble/both.ensemble.mean/seed0/ft_model.pt"
    path.parent.mkdir(parents=True)
    torch.save({"format": FORMAT, "digests": {"model": "both"}}, path)

    def answers(model):
        key = {"model": model, "augment": "flip", "view_seed": [0]}
        return filled(tmp_path / "store", model, kind="teacher_logits", **key)

    stay, go = [answers("first"), answers("second")], answers("both")
    solar = {"solar": {"dataset": "cells", "backbone": "tiny", "method": ["full", "lp_ft"]}}
    more = {"finetune": solar, "ensemble": {"both": {"models": ["solar.tiny.full", "solar.tiny.lp_ft"]}}}
    student = {"few": {**STUDENT, "teacher": "both.ensemble.mean", "views": 1}}
    config = graft_config.load({**CONFIG, **more, "distill": student})
    main([config], tmp_path, tmp_path, Store(tmp_path / "store"))
    assert all(folder.exists() for folder in stay) and not go.exists()
