"""Which figures a config asks for: by what a model predicts, and whether its data set has groups."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml

from running import graft


def write_table(path, grouped):
    """Vectors of three features with a class and a value, in groups of five rows or in none."""
    draw = np.random.default_rng(0)
    features = draw.normal(size=(60, 3))
    frame = pd.DataFrame(features, columns=["x0", "x1", "x2"])
    frame["kind"] = np.where(features[:, 0] > 0, "high", "low")
    frame["size"] = features.sum(1)
    if grouped:
        frame["plate"] = [f"plate {i // 5}" for i in range(60)]
    path.parent.mkdir(parents=True)
    frame.to_csv(path, index=False)


def entry_of(folder, grouped):
    columns = {"features": "x*", **({"group": "plate"} if grouped else {})}
    targets = {"kind": {}, "size": {"kind": "regression"}}
    return {
        "source": {"path": str(folder)},
        "reader": "table",
        "table": "t.csv",
        "columns": columns,
        "targets": targets,
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with its config, in which the data sets are prepared."""
    folder = tmp_path_factory.mktemp("report")
    for name in ("plates", "loose"):
        write_table(folder / name / "t.csv", grouped=name == "plates")
    models = {"backbone": "vectors", "method": "linear"}
    config = {
        "datasets": {name: entry_of(folder / name, name == "plates") for name in ("plates", "loose")},
        "finetune": {
            f"{name}-{target}": {**models, "dataset": name, "target": target}
            for name in ("plates", "loose")
            for target in ("kind", "size")
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    graft(folder, folder / "config.yaml", "results/data/plates/samples.parquet", "results/data/loose/samples.parquet")
    return folder


def test_groups_are_drawn_where_there_are_any_and_values_otherwise_than_classes(run):
    said = graft(run, run / "config.yaml", "--dry-run").output
    names = ("plates-kind", "plates-size", "loose-kind", "loose-size")
    asked = {name: set(re.findall(rf"figures/finetune/{name}[^\s,;]+?/seed0/([\w/]+\.\w+)", said)) for name in names}
    classes = {"learning_curves.svg", "kind/mistakes.html"} | {
        f"kind/{n}.svg" for n in ("confusion", "per_class", "reliability", "roc", "risk_coverage")
    }
    values = {"learning_curves.svg", "size/regression.svg", "size/errors.html"}
    assert asked == {
        "plates-kind": classes | {"kind/groups.svg"},
        "plates-size": values | {"size/groups.svg"},
        "loose-kind": classes,
        "loose-size": values,
    }


def test_the_figures_of_values_in_groups_are_drawn(run):
    folder = "results/figures/finetune/plates-size.vectors.linear/seed0"
    files = [f"{folder}/{name}" for name in ("learning_curves.svg", "size/errors.html", "size/groups.svg")]
    graft(run, run / "config.yaml", *files)
    page = (run / folder / "size/errors.html").read_text(encoding="utf-8")
    assert "largest errors" in page and "<polyline" in page and "plate " in page
    assert "plate " in (run / folder / "size/groups.svg").read_text(encoding="utf-8")
    assert (run / folder / "size/regression.svg").exists() and (run / folder / "learning_curves.svg").exists()
