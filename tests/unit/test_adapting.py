"""Training for a domain without labels: what is read of both domains, what the loop trains, and what it never looks at."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import adapt
import predict
from graft import config as graft_config
from graft.adaptation.objectives import Pair, mcc
from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json
from graft.config.plan import SOURCE_ONLY, is_frozen
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_source
from graft.networks import network
from graft.store import Store
from graft.store.feature_files import write_features
from graft.targets.predictions import predict as predict_rows
from graft.training import adapting
from graft.training.data import TargetDomain, TrainingData
from graft.training.rule_inputs import rows_of
from graft.training.state import StateFiles
from graft.training.trainer import Trained, Trainer
from predicting import SETS, outputs_in

ROWS, WIDTH = 200, 6
COLUMNS = {"id": "id", "features": "x*", "split": "split"}
TARGETS = {
    "kind": {"classes": ["a", "b", "c"]},
    "size": {"kind": "regression"},
    "site": {"classes": ["here", "there", "far"]},
}
METHODS = [name for kind in SOURCE_ONLY for name in plugins.names(kind)]
SPEC = {"name": "tiny", "library": "vectors", "architecture": "identity", "modality": "vector", "preprocessing": {}}
TRAINING = {"epochs": 3, "batch_size": 16, "lr": 0.02, "head_lr": 0.02, "patience": None, "freeze_batchnorm": False}


class Tiny(nn.Sequential):
    """A network with weights and BatchNorm, for vectors."""

    width, modality, spec = WIDTH, "vector", {**SPEC, "weights_sha256": "0"}

    def __init__(self, **_):
        torch.manual_seed(5)
        super().__init__(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))


def table():
    """Three classes at two sites; what is measured there is scaled and moved. Two rows are of a third site."""
    draw = np.random.default_rng(0)
    kinds = draw.integers(3, size=ROWS)
    x = 0.7 * draw.normal(size=(ROWS, WIDTH)) + 2 * np.eye(WIDTH)[kinds]
    site = np.where(np.arange(ROWS) < 2, "far", np.where(np.arange(ROWS) % 2, "here", "there"))
    x[site == "there"] = x[site == "there"] * [1, 1.5, 0.7, 1, 1, 1] + [1, -1, 1, 0, 2, 0]
    frame = pd.DataFrame(x.round(3), columns=[f"x{i}" for i in range(WIDTH)]).assign(id=[f"s{i}" for i in range(ROWS)])
    frame["split"] = np.repeat([["train"] * 3 + ["validation", "test"]], ROWS // 10, 0).repeat(2, 1).ravel()
    return frame.assign(kind=np.array(list("abc"))[kinds], size=(10 + 5 * x[:, 0]).round(3), site=site)


class Lab:
    """The table, prepared, with models that adapt from one site to the other."""

    def __init__(self, folder, frame, **settings):
        self.folder, root = folder, folder / "cells"
        root.mkdir(parents=True)
        frame.to_csv(root / "t.csv", index=False)
        entry = {"table": "t.csv", "columns": COLUMNS, "targets": TARGETS}
        model = {
            "dataset": "cells",
            "domain": {"column": "site", "source": "here", "target": "there"},
            "backbone": "tiny",
        }
        numbers = [
            name for name in plugins.names("adaptation") if not plugins.constant("adaptation", name, "CLASSES_ONLY")
        ]
        config = {
            "datasets": {"cells": {"source": {"path": "cells"}, **entry}},
            # Its data are vectors, which no library with weights takes: the network is put in below.
            "backbones": {"tiny": {"library": "vectors"}},
            "adapt": {"e": {**model, "method": numbers}, "number": {**model, "label": "size", "method": numbers}},
        }
        plan = graft_config.make_plan(graft_config.load(config)).models
        self.settings = plan["e.tiny.coral"] | TRAINING | settings
        self.number = plan["number.tiny.coral"]
        self.entry = complete(entry)
        names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
        write(prepare("cells", self.entry, root), {key: folder / name for key, name in names.items()})
        write_json(folder / "dataset.json", {"root": "cells"})
        self.manifest = read_manifest(folder / "samples.parquet")
        rows = self.manifest.part("labelled")
        own = frame.set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)
        write_features(folder / "labelled.parquet", rows, own)

    def pair(self, method, state="state", **settings):
        """The trainer of a method, and the domain that it adapts to."""
        backbone = SimpleNamespace(spec=Tiny.spec, folder=None, weights="0" * 64, network=Tiny, stored=Tiny)
        common = {
            "samples": self.folder / "samples.parquet",
            "source": open_source(self.folder / "dataset.json", self.entry, self.manifest.card),
            "backbone": backbone,
            "store": Store(self.folder / "store"),
        }
        settings = self.settings | {"method": method, "name": f"e.tiny.{method}"} | settings
        features = self.folder / "labelled.parquet"
        data = TrainingData(settings, **common, features=features, domain=rows_of(settings, "source"))
        trainer = Trainer(data, 0, StateFiles(self.folder / state, "f"), torch.device("cpu"), "fp32")
        return trainer, TargetDomain(**common, features=[features], domain=rows_of(settings, "target"))

    def files(self, method, state="state"):
        return [self.folder / f"{method}.{state}.{end}" for end in ("pt", "csv", "json")]

    def run(self, method, state="state", **settings):
        """Model, history and scores of a method."""
        trainer, domain = self.pair(method, state, **settings)
        start = None
        if not is_frozen(trainer.settings) and plugins.load("adaptation_objective", method).SOURCE_FREE:
            start = self.files("source_only_full")[0]
            if not start.exists():
                self.run("source_only_full")
        adapt.main(trainer, domain, *self.files(method, state), start)
        return self.files(method, state)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab") / "lab", table())


@pytest.fixture(scope="module")
def relabelled(tmp_path_factory):
    """The same where the target's train and validation rows, and rows of no domain, have other labels."""
    frame = table()
    rows = (frame["site"] != "here") & (frame["split"] != "test")
    for name in ("kind", "size"):
        frame.loc[rows, name] = np.random.default_rng(1).permutation(frame.loc[rows, name])
    return Lab(tmp_path_factory.mktemp("relabelled") / "lab", frame)


def test_the_source_is_its_labelled_rows_and_the_target_all_of_its_rows_but_those_of_test(lab):
    frame = table()
    trainer, domain = lab.pair("coral")
    site, learned = frame["site"], frame["split"] != "test"
    assert set(trainer.data.rows["sample_id"]) == set(frame["id"][(site == "here") & learned])
    assert set(domain.rows["sample_id"]) == set(frame["id"][(site == "there") & learned])
    assert not set(TARGETS) & set(domain.rows)  # not even read


@pytest.mark.parametrize("method", METHODS)
def test_other_labels_of_the_targets_rows_change_no_byte_of_an_adapted_model(lab, relabelled, method):
    assert (lab.manifest.frame["kind"] != relabelled.manifest.frame["kind"]).sum() > 20
    for one, other in zip(lab.run(method), relabelled.run(method), strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("method", ["standardise", "coral", "mcc"])
def test_the_target_is_predicted_better_than_by_the_model_that_does_not_adapt(lab, method):
    right = {}
    for name in (method, "source_only" if method in ("standardise", "coral") else "source_only_full"):
        files = lab.run(name, state="better", epochs=30)
        rows = lab.manifest.frame.query("site == 'there' and split == 'test'").reset_index(drop=True)
        content = network.load(files[0])
        inputs = table().set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)
        embeddings = inputs
        if not content["frozen"]:
            trained = Tiny().eval()
            own = {key: one for key, one in content["state_dict"].items() if key.startswith("backbone.")}
            trained.load_state_dict({key.removeprefix("backbone."): one for key, one in own.items()})
            embeddings = trained(torch.from_numpy(inputs)).detach().numpy()
        found = predict_rows(content, "kind", lab.manifest, rows, embeddings)
        right[name] = (found["label"] == found["predicted"]).mean()
    adapted, alone = right.values()
    assert adapted > alone + 0.1


@pytest.mark.parametrize(("weight", "training"), [(0.5, False), (2.0, False), (2.0, True)])
def test_a_step_has_the_sources_loss_and_the_weighted_objective_of_as_many_rows_of_the_target(lab, weight, training):
    trainer, domain = lab.pair("mcc", adaptation_weight=weight, mcc_temperature=1.5, dropout=0)
    problem = adapting.Adapting(trainer, domain, trainer.untrained(), mcc).problem(
        trainer.problem(Trained(trainer.untrained(), []))
    )
    steps = [batch for step in problem.batches(0) for batch in step]
    count, rows = len(trainer.data.places("train")), len(domain.rows)
    assert all((batch < count).sum() == (batch >= count).sum() for batch in steps)
    assert sorted(np.concatenate(steps)[np.concatenate(steps) < count]) == list(range(count))
    assert set(np.concatenate(steps)) <= set(range(count + rows))
    network_ = trainer.untrained().train(training)
    found = problem.loss(network_, problem.read(steps[0], 0), 0.3)
    ours = trainer.data.rows.iloc[trainer.data.places("train")[steps[0][steps[0] < count]]]
    theirs = domain.rows.iloc[steps[0][steps[0] >= count] - count]
    head = network_.heads["kind"]
    codes = torch.from_numpy(ours["kind"].map({"a": 0, "b": 1, "c": 2}).to_numpy())
    inputs = table().set_index("id").loc[[*ours["sample_id"], *theirs["sample_id"]]].filter(like="x")
    # BatchNorm normalises by the rows of both domains, as it will when the network is judged.
    both = head(network_.backbone(torch.from_numpy(inputs.to_numpy(np.float32))))
    source, target = both.split([len(ours), len(theirs)])
    confused = mcc.Objective(None, {"mcc_temperature": 1.5})(Pair(None, None, None, target, None), 0.3)
    torch.testing.assert_close(found, nn.functional.cross_entropy(source, codes) + weight * confused)


def test_an_objective_is_told_how_far_the_training_is_and_looks_at_all_of_the_target_before_each_epoch(
    lab, monkeypatch
):
    from graft.adaptation.objectives import dann, pseudo_labels

    seen, looked = [], []
    for module in (dann, pseudo_labels):
        forward = module.Objective.forward
        monkeypatch.setattr(
            module.Objective,
            "forward",
            lambda self, pair, progress, forward=forward: seen.append(progress) or forward(self, pair, progress),
        )
    look = pseudo_labels.Objective.look
    monkeypatch.setattr(
        pseudo_labels.Objective,
        "look",
        lambda self, *both: looked.append([len(one) for one in both]) or look(self, *both),
    )
    lab.run("dann", "told")
    assert seen == sorted(seen) and seen[0] == 0 and 0.9 < seen[-1] < 1 and len(set(seen)) == len(seen)
    lab.run("pseudo_labels", "told")
    assert looked == [[len(lab.pair("dann")[1].rows)] * 2] * 3


class Killed(BaseException):
    pass


@pytest.mark.parametrize("method", ["mcc", "dann", "pseudo_labels", "shot"])
@pytest.mark.parametrize("stop_after", [2, 6, 9])
def test_a_training_that_was_killed_and_run_again_ends_with_the_same_bytes(tmp_path, monkeypatch, method, stop_after):
    lab, calls = Lab(tmp_path / "lab", table(), save_every=0), []
    whole = [one.read_bytes() for one in lab.run(method, "whole")]
    backward = adapting._OneLoss.backward

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == stop_after:
            raise Killed
        backward(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(adapting._OneLoss, "backward", killed)
        lab.run(method, "cut")
    assert [one.read_bytes() for one in lab.run(method, "cut")] == whole


def test_the_epoch_that_is_kept_is_the_one_that_the_validator_scores_highest(lab):
    files = lab.run("mcc", "validated", validator="entropy", epochs=6)
    history, scores = pd.read_csv(files[1]), read_json(files[2])
    assert (history["criterion"] == -history["entropy"]).all()
    assert scores["entropy"] == pytest.approx(history["entropy"].max())
    assert set(scores) == set(plugins.names("validator")) - {"circular"}


@pytest.mark.parametrize(("validator", "splits"), [("entropy", ()), ("importance_weighted", ("validation", "train"))])
def test_an_epoch_is_judged_by_the_targets_rows_and_those_of_the_source_that_its_validator_looks_at(
    lab, monkeypatch, validator, splits
):
    run, seen = adapting.answers, []
    monkeypatch.setattr(
        adapting,
        "answers",
        lambda trainer, network, inputs: seen.append(len(inputs.lengths)) or run(trainer, network, inputs),
    )
    lab.run("mcc", f"judged by {validator}", validator=validator)
    trainer, domain = lab.pair("mcc")
    asked = sum(len(trainer.data.places(split)) for split in splits)
    everything = len(trainer.data.places("train")) + len(trainer.data.places("validation"))  # once, for all validators
    assert sum(seen) == 3 * (len(domain.rows) + asked) + len(domain.rows) + everything


def test_shot_keeps_the_head_and_adabn_takes_the_statistics_of_the_target(lab):
    source, shot, adabn = (
        network.load(lab.run(name)[0])["state_dict"] for name in ("source_only_full", "shot", "adabn")
    )
    for name in ("heads.kind.weight", "heads.kind.bias"):
        assert torch.equal(source[name], shot[name]) and torch.equal(source[name], adabn[name])
    assert not torch.equal(source["backbone.0.weight"], shot["backbone.0.weight"])
    assert torch.equal(source["backbone.0.weight"], adabn["backbone.0.weight"])
    domain = lab.pair("adabn")[1]
    rows = torch.from_numpy(table().set_index("id").loc[domain.rows["sample_id"]].filter(like="x").to_numpy(np.float32))
    hidden = rows @ source["backbone.0.weight"].T + source["backbone.0.bias"]
    torch.testing.assert_close(adabn["backbone.1.running_mean"], hidden.mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(adabn["backbone.1.running_var"], hidden.var(0), atol=1e-4, rtol=1e-4)


def test_a_number_is_adapted_to_by_what_needs_no_classes(lab):
    method = {"targets": ["size"], "validator": lab.number["validator"]}
    assert method["validator"] == "importance_weighted"
    content = network.load(lab.run("coral", "number", **method)[0])
    assert content["targets"]["size"]["kind"] == "regression"
    scores = read_json(lab.files("coral", "number")[2])
    assert set(scores) == {"importance_weighted", "source_validation", "circular"}


def test_predictions_are_of_the_target_and_only_test_rows_have_a_label(lab, tmp_path):
    model = lab.run("coral")[0]
    predict.main(
        lab.folder / "samples.parquet",
        model,
        "kind",
        [lab.folder / "labelled.parquet"],
        outputs_in(tmp_path),
        SETS,
    )
    found = pd.read_parquet(tmp_path / "p.parquet").set_index("sample_id")
    frame = table().set_index("id")
    assert set(found.index) == set(frame.index[frame["site"] == "there"])
    assert (found["label"].notna() == (found["split"] == "test")).all()
    assert list(read_json(tmp_path / "m.json")) == ["test"]
    assert (found["label"].dropna() == frame["kind"].loc[found["label"].dropna().index]).all()
    assert found["set_90"].isna().all()
    assert "nothing is promised" in read_json(tmp_path / "conformal.json")["levels"]["90"]["note"]


@pytest.mark.parametrize("method", ["label_shift_em", "bbse"])
def test_a_method_that_finds_the_shares_of_the_classes_says_them_and_gives_the_temperature(lab, method):
    facts = network.load(lab.run(method)[0])["targets"]["kind"]
    assert sum(facts["priors"]) == pytest.approx(1) and facts["temperature"] > 0


def test_domains_without_rows_are_refused(lab):
    for which, said in (
        ("source", "no labelled row of data set 'cells' has the value 'nowhere'"),
        ("target", "0 rows with the value 'nowhere'"),
    ):
        domain = {"column": "site", "source": ["here"], "target": ["there"]} | {which: ["nowhere"]}
        with pytest.raises(UserError, match=said):
            lab.run("coral", "empty", domain=domain)


def test_rows_that_are_all_the_same_are_no_domain(lab):
    trainer, domain = lab.pair("coral", "same")
    domain.rows["content_sha256"] = "0" * 64
    with pytest.raises(UserError, match="rows of the target domain have the same content"):
        adapt.check(trainer.data, domain)


def test_a_class_without_a_train_row_in_the_source_is_pointed_out_and_judges_nothing(tmp_path, caplog):
    frame = table()
    frame = frame[~((frame["site"] == "here") & (frame["split"] == "train") & (frame["kind"] == "c"))]
    lab = Lab(tmp_path / "lab", frame)
    scores = read_json(lab.run("coral")[2])
    assert "no train row of the source has class 'c'" in caplog.text
    assert all(score is not None for score in scores.values()) and scores["source_validation"] > -2


def test_a_network_without_batchnorm_has_no_statistics_to_take(lab, monkeypatch):
    lab.run("source_only_full")
    monkeypatch.setattr(nn.modules.batchnorm, "_BatchNorm", nn.Bilinear)
    with pytest.raises(UserError, match="has no BatchNorm layer"):
        lab.run("adabn", "none")
