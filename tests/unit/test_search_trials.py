"""Trials of a search: with which settings, in which order, compared by which number, and which of them is taken."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics

import choose_settings as script
from graft.common.outputs import read_json, write_json, write_parquet
from graft.data.samples import write_manifest
from graft.search import trials

TARGETS = {"kind": {"kind": "classification", "classes": ["a", "b"]}}
ARM = {"rung": 1, "place": 4, "epochs": 2, "probe": 2, "method": "full", "lr": 1e-3, "augment": "flip"}
DRAW = np.random.default_rng(0)
ROWS = 300
LABELS = DRAW.integers(0, 2, ROWS)
NOISE = DRAW.normal(size=ROWS)


def said(place, value, loss=0.5, **more):
    return {"place": place, "value": value, "loss": loss, "backbone": f"b{place}", **trials.PROBE, **more}


def test_the_better_half_goes_on_by_value_then_by_loss_then_by_place():
    found = [said(1, 0.7), said(2, 0.9, 0.4), said(3, 0.9, 0.3), said(4, None), said(5, 0.9, 0.3)]
    assert [one["place"] for one in trials.in_order(found)] == [3, 5, 2, 1, 4]
    taken = [trials.settings_of({"rung": 2, "place": place, "epochs": 4}, found) for place in (1, 2)]
    assert [one["backbone"] for one in taken] == ["b3", "b5"]


def test_a_trial_of_the_first_rung_has_its_own_settings_and_a_backbone_that_did_well_in_the_probes():
    found = trials.settings_of(ARM, [said(1, 0.7), said(2, 0.9), said(3, 0.8)])
    assert found == {"backbone": "b3", "method": "full", "lr": 1e-3, "augment": "flip"}
    probe = trials.settings_of({"rung": 0, "place": 1, "backbone": "net"}, [])
    assert probe == {"backbone": "net", "method": "linear", "lr": None, "augment": "none"}


def table(noise):
    """Predictions of validation rows; the more noise, the worse."""
    chances = 1 / (1 + np.exp(-(2.0 * LABELS - 1 + NOISE * noise)))
    return pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(ROWS)],
            "split": "validation",
            "label": np.array(["a", "b"])[LABELS],
            "predicted": np.array(["a", "b"])[(chances > 0.5).astype(int)],
            "prob_a": 1 - chances,
            "prob_b": chances,
        }
    )


def test_trials_of_classes_are_compared_by_auroc_and_log_loss():
    own = table(2)
    interval = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("auroc", "accuracy")}
    found = trials.numbers_of(own, TARGETS["kind"], interval)
    assert found["metric"] == "auroc" and found["metrics"] == {"auroc": interval["auroc"]}
    assert found["value"] == pytest.approx(metrics.roc_auc_score(LABELS, own["prob_b"]))
    assert found["loss"] == pytest.approx(metrics.log_loss(LABELS, own[["prob_a", "prob_b"]]))


def test_trials_of_numbers_are_compared_by_r2_and_their_error():
    own = pd.DataFrame({"value": LABELS + 0.5, "predicted": LABELS + DRAW.normal(size=ROWS)})
    found = trials.numbers_of(own, {"kind": "regression"}, {"r2": {"value": 0.1}})
    assert found["metric"] == "r2" and found["value"] == pytest.approx(metrics.r2_score(own["value"], own["predicted"]))
    assert found["loss"] == pytest.approx(metrics.root_mean_squared_error(own["value"], own["predicted"]))


@pytest.fixture
def choose(tmp_path):
    """A function that chooses between trials: (rung, place) -> how noisy they are, and the methods that may be taken."""
    frame = pd.DataFrame({"sample_id": [f"s{i}" for i in range(ROWS)], "path": "t", "row": range(ROWS), "fold": -1})
    frame = frame.assign(content_sha256="0", split="validation", group=None, sampling_unit=None, weight=None)
    frame = frame.assign(labelled_copy=False, kind=np.array(["a", "b"])[LABELS])
    write_manifest(tmp_path / "samples.parquet", frame, TARGETS)
    write_json(tmp_path / "labels.json", {"targets": TARGETS})
    write_json(tmp_path / "data_card.json", {"dataset": "d"})
    for name in ("net", "other"):
        write_json(tmp_path / name / "backbone.json", {"name": name, "entry_digest": name})
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())

    def run(noises, methods=("full", "linear")):
        paths = []
        for (rung, place), noise in noises.items():
            folder, own = tmp_path / f"rung{rung}/{place}", table(noise)
            fixed = {
                "rung": rung,
                "place": place,
                "parameters": 9,
                "frozen": rung == 0,
                "backbone": "net",
                **trials.PROBE,
            }
            fixed |= (
                {"method": "full", "lr": 10.0**-place, "epochs": rung}
                if rung
                else {"backbone": ["net", "other"][place - 1]}
            )
            fixed |= {"probe": 1} if rung == 1 else {}
            interval = {"auroc": {"value": 0.9, "low": 0.8, "high": 1.0}}
            write_json(folder / "trial.json", fixed | trials.numbers_of(own, TARGETS["kind"], interval))
            metadata = {"target": "kind", "classes": '["a", "b"]', "model_digest": "0"}
            write_parquet(folder / "validation.parquet", pa.Table.from_pandas(own, preserve_index=False), metadata)
            paths.append(folder / "trial.json")
        output = {name: tmp_path / "out" / name for name in ("trials.csv", "chosen.json")}
        backbones = {name: tmp_path / name / "backbone.json" for name in ("net", "other")}
        last = tmp_path / "out/best/backbone.json"
        script.main(tmp_path / "samples.parquet", "kind", paths, methods, backbones, {}, *output.values(), last)
        shown = pd.read_csv(output["trials.csv"], keep_default_na=False).set_index("trial")
        return shown, read_json(output["chosen.json"]), last

    return run


HALVED = {(0, 1): 9, (0, 2): 8, (1, 1): 5, (1, 2): 3, (1, 3): 4, (1, 4): 6, (2, 1): 1, (2, 2): 4}


def test_the_best_of_the_last_rung_is_taken_and_the_table_says_what_went_on(choose):
    shown, chosen, backbone = choose(HALVED)
    assert list(shown.columns) == script.COLUMNS[1:] and len(shown) == len(HALVED)
    assert chosen == {"backbone": "net", "method": "full", "lr": 0.1, "augment": "none"}
    assert [name for name in shown.index if shown.loc[name, "kept"]] == ["0-2", "1-2", "1-3", "2-1"]
    assert shown["choice"].to_dict() == {
        **{"0-1": "behind", "0-2": "behind", "2-1": "best", "2-2": "behind"},
        **dict.fromkeys(("1-1", "1-2", "1-3", "1-4"), ""),
    }
    assert read_json(backbone)["name"] == "net" and (backbone.parent / "model.safetensors").read_bytes() == b"net"


def test_a_probe_that_is_as_good_is_taken_only_where_its_method_may_be(choose):
    good = HALVED | {(0, 2): 0.2}
    shown, chosen, backbone = choose(good)
    assert chosen == {"backbone": "other", "method": "linear", "augment": "none"}
    assert shown.loc["0-2", "choice"] == "best" and read_json(backbone)["name"] == "other"
    shown, chosen, backbone = choose(good, methods=["full"])
    assert chosen["method"] == "full" and shown.loc["0-2", "choice"] == "" and shown.loc["0-2", "kept"]
    assert read_json(backbone)["name"] == "net"  # the copy of another choice is replaced
