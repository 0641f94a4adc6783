"""One training run on texts: what the network is given, what it drops, what is kept of it."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

import trained_runs
from graft import backbones, kernels
from graft import config as graft_config
from graft.inputs import open_source
from graft.outputs import read_json, write_json
from graft.readers import complete
from graft.runs import Run
from graft.samples import read_manifest
from graft.state import State
from graft.store import Store
from tiny_data import text_table


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder with a prepared table of short texts, and the untrained tiny BERT of trained_runs."""
    folder = tmp_path_factory.mktemp("lab")
    entry = text_table(folder / "cells", rows=40)
    trained_runs.finished_run(folder, folder / "cells", **entry)
    write_json(folder / "dataset.json", {"root": str(folder / "cells")})
    return SimpleNamespace(folder=folder, entry=complete({**trained_runs.THREE_WAY, **entry}))


def text_run(lab, here, compiled=False, **settings):
    """A run that trains the tiny BERT; its store and state are `here`."""
    model = {"dataset": "cells", "backbone": "b", "method": "full", "epochs": 2, "batch_size": 8, **settings}
    backbone = {"library": "transformers", "source": {"random": True}}
    config = {
        "datasets": {"cells": {"source": {"path": "cells"}}},
        "backbones": {"b": backbone},
        "finetune": {"e": model},
    }
    samples, network = lab.folder / "results/data/cells/samples.parquet", lab.folder / "resources/backbones/tiny"
    spec = read_json(network / "backbone.json")
    return Run(
        settings=graft_config.plan(graft_config.load(config)).models["e.b.full"],
        seed=0,
        samples=samples,
        features=None,
        source=open_source(lab.folder / "dataset.json", lab.entry, read_manifest(samples).card),
        backbone=SimpleNamespace(spec=spec, folder=network, weights="0" * 64, network=partial(backbones.build, spec)),
        store=Store(here / "store"),
        state=State(here / "state", "f"),
        device=torch.device("cpu"),
        precision="fp32",
        threads=1,
        compile=compiled,
    )


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_attention_is_dropped_as_asked_compiled_or_not(lab, tmp_path, monkeypatch, compiled, asked):
    """`compile: true` once brought dropout back, since no kernel stood in for torch's."""
    run, seen = text_run(lab, tmp_path, compiled, attention_dropout=asked, epochs=1), set()
    attention = torch.nn.functional.scaled_dot_product_attention

    def noted(query, key, value, attn_mask=None, dropout_p=0.0, **options):
        seen.add(dropout_p)
        return attention(query, key, value, attn_mask, dropout_p, **options)

    monkeypatch.setattr(torch, "compile", lambda model: lambda inputs: model(inputs))
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
    monkeypatch.setattr(kernels, "plain_attention", noted)
    run.fit()
    assert seen == ({0.0, 0.1} if asked else {0.0})  # 0 where validation rows are predicted
