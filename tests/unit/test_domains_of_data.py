"""A data set that adapt names: its domains are known of every row, and the target needs no label but those of test rows."""

import numpy as np
import pandas as pd
import pytest

from bad_config import problems
from graft.common.errors import UserError, UserErrors
from graft.config import load, make_plan
from graft.config.plan import role_of
from graft.data.prepare import digests_of, prepare
from graft.data.readers import complete
from graft.data.samples import read_unlabelled, write_manifest

TARGETS = {"kind": {"classes": ["a", "b"]}, "site": {}}
COLUMNS = {"id": "id", "features": "x*"}
TARGET_ONLY = {"domains": [], "learned": False}


def table(rows=60):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(rows, 3)).round(3), columns=["x0", "x1", "x2"])
    frame["id"] = [f"s{i}" for i in range(rows)]
    frame["kind"] = np.array(["a", "b"])[np.arange(rows) % 2]
    frame["site"] = np.where(np.arange(rows) < 2 * rows // 3, "here", "there")
    return frame


def prepared(folder, frame, role, targets=TARGETS, **columns):
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "t.csv", index=False)
    entry = {"table": "t.csv", "columns": {**COLUMNS, **columns}, "targets": targets}
    split = {"split": {"pool": 0.4}} if columns.get("split") is None else {}
    return prepare("d", complete({**entry, **split}), folder, role=role)


def test_what_a_data_set_is_used_for_is_in_the_plan():
    def vectors(name):
        return {"source": {"path": name}, "columns": COLUMNS, "targets": TARGETS}

    net = {"backbone": "vectors", "method": "coral"}
    config = {
        "datasets": {name: vectors(name) for name in ("one", "two", "three")},
        "adapt": {
            "within": {"dataset": "one", "domain": {"column": "site", "source": "here", "target": "there"}, **net},
            "between": {"source": "one", "target": "two", **net},
            "and-back": {"source": "three", "target": "one", **net},
        },
    }
    plan = make_plan(load(config))
    assert role_of("one", plan) == {"domains": ["site"], "learned": True}
    assert role_of("two", plan) == TARGET_ONLY
    assert role_of("three", plan) == {"domains": [], "learned": True}
    config["finetune"] = {"e": {"dataset": "two", "backbone": "vectors"}}
    assert role_of("two", make_plan(load(config)))["learned"]


def test_rows_of_the_pool_are_of_their_domain_and_their_other_labels_are_not_read(tmp_path):
    found = prepared(tmp_path / "d", table(), {"domains": ["site"], "learned": True})
    pool = found.frame[found.frame["split"] == "pool"]
    assert len(pool) > 10 and pool["kind"].isna().all()
    assert (pool.set_index("sample_id")["site"] == table().set_index("id")["site"].loc[pool["sample_id"]]).all()
    write_manifest(tmp_path / "samples.parquet", found.frame, found.targets)
    there = read_unlabelled(tmp_path / "samples.parquet", ("site", ["there"]))
    wanted = (found.frame["split"] != "test") & (found.frame["site"] == "there")
    assert set(there["sample_id"]) == set(found.frame.loc[wanted, "sample_id"]) and (there["split"] == "pool").any()


def test_a_domain_may_be_in_the_pool_alone(tmp_path):
    frame = table()
    splits = np.array(["train", "train", "validation", "test"])[np.arange(60) // 2 % 4]
    frame["split"] = np.where(frame["site"] == "there", "pool", splits)
    frame["w"] = np.where(frame["site"] == "there", "", "1")
    frame.loc[frame["site"] == "there", "kind"] = ""
    role = {"domains": ["site"], "learned": True}
    found = prepared(tmp_path / "d", frame, role, split="split", weight="w")
    assert found.targets["site"]["classes"] == ["here", "there"]
    with pytest.raises(UserErrors, match="all 40 labels are 'here'"):
        prepared(tmp_path / "other", frame, {"domains": [], "learned": True}, split="split")


def test_a_row_whose_domain_alone_is_known_needs_no_weight(tmp_path):
    frame = table()
    frame["w"] = "1"
    frame.loc[50:, ["kind", "w"]] = ""
    prepared(tmp_path / "d", frame, {"domains": ["site"], "learned": True}, weight="w")
    with pytest.raises(UserErrors, match="10 rows have no weight"):
        prepared(tmp_path / "other", frame, {"domains": [], "learned": True}, weight="w")


@pytest.mark.parametrize("labelled", [0, 9])
def test_the_target_of_adapt_needs_labels_of_test_rows_at_most(tmp_path, labelled):
    frame, targets = table().drop(columns="site"), {"kind": TARGETS["kind"]}
    frame.loc[labelled:, "kind"] = ""
    frame["split"] = np.where(np.arange(60) < labelled, "test", "pool")
    found = prepared(tmp_path / "d", frame, TARGET_ONLY, targets, split="split")
    assert (found.frame["split"] == "test").sum() == labelled and (
        found.frame["split"] == "pool"
    ).sum() == 60 - labelled
    assert found.targets["kind"]["classes"] == ["a", "b"]
    with pytest.raises((UserError, UserErrors)):
        prepared(tmp_path / "learned", frame, {"domains": [], "learned": True}, targets, split="split")
    if not labelled:
        with pytest.raises(UserErrors, match="the classes are not written down"):
            prepared(tmp_path / "unnamed", frame, TARGET_ONLY, {"kind": {}}, split="split")


def test_a_label_of_the_target_changes_nothing_that_a_model_is_adapted_to(tmp_path):
    role = {"domains": ["site"], "learned": True}
    frame = table()
    frame["split"] = np.array(["train", "train", "validation", "test", "pool"])[np.arange(60) // 2 % 5]
    first = digests_of(prepared(tmp_path / "a", frame, role, split="split"))
    frame.loc[[2, 58], "kind"] = ["b", "b"]
    second = digests_of(prepared(tmp_path / "b", frame, role, split="split"))
    assert first["training"] != second["training"] and first["unlabelled"] == second["unlabelled"]
    frame.loc[[8, 48], "site"] = frame.loc[[48, 8], "site"].to_numpy()
    assert digests_of(prepared(tmp_path / "c", frame, role, split="split"))["unlabelled"] != first["unlabelled"]


def test_a_class_whose_weights_are_all_0_is_refused(tmp_path):
    frame = table().drop(columns="site")
    frame["w"], targets = np.where(frame["kind"] == "a", 0, 1), {"kind": TARGETS["kind"]}
    with pytest.raises(UserErrors, match="train rows of class 'a' of target kind are 0"):
        prepared(tmp_path / "d", frame, {"domains": [], "learned": True}, targets, weight="w")


def test_an_adapted_model_is_no_teacher():
    errors = problems(
        {
            "adapt": {
                "e": {"source": "news", "target": "more", "label": "topic", "backbone": "words", "method": "mcc"}
            },
            "datasets/more": {
                "source": {"path": "more"},
                "columns": {"text": "text"},
                "targets": {"topic": {"classes": ["a", "b", "c"]}},
            },
            "distill/student": {"teacher": "e.words.mcc", "backbone": "net"},
        }
    )
    assert "answers for the rows of its domain alone" in str(errors["distill.student.teacher"])
