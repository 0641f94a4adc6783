"""The config: defaults, coercion, expansion into models and tasks, and the documentation made from the schema."""

import json
import re
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from graft.common import plugins
from graft.common.errors import UserError
from graft.config import docs as config_docs
from graft.config import load, make_plan
from graft.config.errors import Validator
from graft.config.plan import known_backbones
from graft.config.schema import every_key, read_schema, types_of

ROOT = Path(__file__).parents[2]
SHIPPED = [
    *(path for path in (ROOT / "config").rglob("*.yaml") if not path.name.endswith(("schema.yaml", "backbones.yaml"))),
    ROOT / ".test/config/config.yaml",
]

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


def minimal(**finetune):
    return {
        "datasets": {"d": {"source": {"path": "x"}, "targets": {"y": {}, "z": {"kind": "regression"}}}},
        "backbones": {
            "a": {"library": "timm", "architecture": "vit", "source": {"random": True}},
            "b": {"library": "timm", "architecture": "vit", "source": {"random": True}},
        },
        "finetune": {"e": {"dataset": "d", "backbone": "a", **finetune}},
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_asks_for_something(path):
    config = load(yaml.safe_load(path.read_text(encoding="utf-8")), [path])
    assert make_plan(config).models


def test_there_is_an_example_for_every_kind_of_science():
    names = {path.stem for path in (ROOT / "config" / "examples").glob("*.yaml")}
    assert names >= {
        "microscopy",
        "pathology",
        "spectra",
        "molecules",
        "abstracts",
        "remote_sensing",
        "notes",
        "solubility",
        "sciences",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_loading_twice_changes_nothing_and_the_users_dict_is_never_touched(path):
    given_config = yaml.safe_load(path.read_text(encoding="utf-8"))
    before = deepcopy(given_config)
    once = load(given_config, [path])
    assert given_config == before
    assert load(once, [path]) == load(once) == once


def test_the_schema_is_valid_json_schema_2020_12():
    Draft202012Validator.check_schema(read_schema())


def test_every_key_is_described_and_is_required_or_has_a_default():
    chosen = {"path", "url", "huggingface", "package", "torchvision", "timm", "random", "backbone", "model"}
    for path, schema, required in every_key(read_schema()):
        assert schema.get("description"), path
        optional = path[-1] in chosen | {"version", "files", "source", "like", "library"}
        optional |= path[0] == "adapt" and path[-1] in ("target", "dataset", "domain")  # two ways to name the domains
        assert required or "default" in schema or optional, path


def test_every_default_is_allowed_by_its_own_schema():
    for path, schema, _ in every_key(read_schema()):
        if "default" in schema:
            assert not list(Validator(schema).iter_errors(schema["default"])), path


def test_no_object_of_the_schema_lets_unknown_keys_through():
    for path, schema, _ in every_key({"properties": {"top": read_schema()}}):
        if "object" in types_of(schema):
            extra = schema.get("additionalProperties")
            assert extra is False or isinstance(extra, dict), path


def test_defaults_are_filled_in_also_where_the_parent_is_absent():
    config = load(minimal())
    assert config["store"] == {"path": "resources/store", "max_gb": 100, "images": "auto", "shared": None}
    assert config["datasets"]["d"]["split"]["validation"] == 0.15
    assert config["datasets"]["d"]["columns"]["path"] is None
    assert config["finetune"]["e"]["seeds"] == [0]
    assert config["datasets"]["d"]["targets"]["y"]["column"] == "y"
    assert config["hand_off"]["models"] == "all"


def test_defaults_are_not_shared_between_entries():
    config = minimal()
    config["finetune"]["f"] = {"dataset": "d", "backbone": "b"}
    loaded = load(config)
    loaded["finetune"]["e"]["seeds"].append(1)
    assert loaded["finetune"]["f"]["seeds"] == load(minimal())["finetune"]["e"]["seeds"] == [0]


def test_a_section_without_entries_counts_as_absent():
    assert load({**minimal(), "distill": None, "few_shot": None})["distill"] == {}


def test_the_lock_file_lies_beside_the_users_config_or_in_the_working_directory(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(minimal()))
    assert load(minimal(), [file])["lock"] == str(tmp_path / "graft.lock.json")
    assert load(minimal())["lock"] == "graft.lock.json"
    assert load({**minimal(), "lock": "my.json"}, [file])["lock"] == "my.json"
    assert load(minimal(), [ROOT / "config" / "config.yaml"])["lock"] == "graft.lock.json", "not into the checkout"


def test_a_config_file_that_only_snakemake_can_reach_is_no_mistake():
    assert load(minimal(), ["https://example.org/config.yaml"]) == load(minimal())


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from("eE"), st.sampled_from(["", ".0", "."]))
def test_a_float_with_an_exponent_is_a_number_however_yaml_read_it(digit, exponent, letter, point):
    text = f"{digit}{point}{letter}-{exponent}"
    assert load(minimal(lr=text))["finetune"]["e"]["lr"] == float(text)


def test_exponents_work_inside_lists_and_make_whole_numbers_where_those_are_wanted():
    config = load(minimal(l2=["1e-3", 1], batch_size="1e2", epochs=3.0))["finetune"]["e"]
    assert config["l2"] == [0.001, 1]
    assert config["batch_size"] == 100 and isinstance(config["batch_size"], int)
    assert isinstance(config["epochs"], int)


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted():
    config = minimal()
    config["datasets"]["d"]["targets"]["y"]["classes"] = ["1e5", "2e5"]
    assert load(config)["datasets"]["d"]["targets"]["y"]["classes"] == ["1e5", "2e5"]


@given(
    st.lists(st.sampled_from("ab"), min_size=1, unique=True),
    st.lists(st.sampled_from(sorted(plugins.names("method"))), min_size=1, unique=True),
    NAMES,
)
def test_every_combination_of_backbone_and_method_is_one_model(backbones, methods, entry):
    config = minimal()
    config["finetune"] = {entry: {"dataset": "d", "backbone": backbones, "method": methods}}
    models = make_plan(load(config)).models
    assert list(models) == [f"{entry}.{backbone}.{method}" for backbone in backbones for method in methods]
    assert all(name == model["name"] for name, model in models.items())


def test_a_models_name_does_not_depend_on_whether_the_entry_gave_a_list():
    one, many = make_plan(load(minimal())), make_plan(load(minimal(backbone=["a"], method=["linear"])))
    assert one == many


def test_a_list_of_data_sets_makes_one_entry_per_data_set():
    config = minimal(dataset=["d", "d2"])
    config["datasets"]["d2"] = deepcopy(config["datasets"]["d"])
    models = make_plan(load(config)).models
    assert {name: model["dataset"] for name, model in models.items()} == {
        "e-d.a.linear": "d",
        "e-d2.a.linear": "d2",
    }


def test_the_target_is_the_data_sets_first_unless_the_entry_names_one():
    assert make_plan(load(minimal())).models["e.a.linear"]["targets"] == ["y"]
    assert make_plan(load(minimal(target="z"))).models["e.a.linear"]["targets"] == ["z"]


def test_several_targets_make_one_model_of_all_and_one_of_each_unless_they_are_not_wanted():
    models = make_plan(load(minimal(targets=["z", "y"]))).models
    assert {name: model["targets"] for name, model in models.items()} == {
        "e.a.linear": ["z", "y"],
        "e-z.a.linear": ["z"],
        "e-y.a.linear": ["y"],
    }
    assert all({"target", "alone"}.isdisjoint(model) for model in models.values())
    assert list(make_plan(load(minimal(targets=["z", "y"], alone=False))).models) == ["e.a.linear"]


def test_a_student_learns_all_targets_of_its_teacher_unless_it_names_one():
    config = minimal(targets=["z", "y"], method="full", alone=False)
    config["datasets"]["d"]["targets"] = {"y": {}, "z": {}}
    config["distill"] = {
        "s": {"teacher": "e.a.full", "backbone": "b"},
        "one": {"teacher": "e.a.full", "backbone": "b", "target": "y"},
    }
    models = make_plan(load(config)).models
    assert models["s.b.kd"]["targets"] == ["z", "y"] and models["one.b.kd"]["targets"] == ["y"]


def test_a_student_takes_data_set_and_target_from_its_teacher_also_through_a_chain():
    config = minimal(target="y", backbone="a", method="full")
    config["backbones"]["c"] = deepcopy(config["backbones"]["b"])
    config["distill"] = {
        "second": {"teacher": "first.b.kd", "backbone": "c"},
        "first": {"teacher": "e.a.full", "backbone": "b"},
    }
    models = make_plan(load(config)).models
    student = models["second.c.kd"]
    assert (student["stage"], student["dataset"], student["targets"]) == ("distill", "d", ["y"])
    assert (student["teacher"], student["teacher_seed"]) == ("first.b.kd", 0)
    assert student["temperature"] == 4 and student["epochs"] == 5


def test_few_shot_tasks_are_named_by_entry_network_and_method():
    config = minimal()
    config["few_shot"] = {
        "k": {"dataset": "d", "backbone": ["a", "b"]},
        "m": {"dataset": "d", "model": "e.a.linear", "method": "ridge"},
    }
    tasks = make_plan(load(config)).tasks
    assert list(tasks) == ["k.a.prototypes", "k.b.prototypes", "m.e-a-linear.ridge"]
    assert tasks["k.a.prototypes"]["model"] is None
    assert (
        tasks["m.e-a-linear.ridge"] | {"backbone": None, "model": "e.a.linear", "model_seed": 0}
        == tasks["m.e-a-linear.ridge"]
    )


def test_the_plan_knows_which_tasks_try_a_network_on_the_classes_that_it_was_trained_on():
    config = minimal()
    config["datasets"]["d"]["targets"] = {"y": {}, "z": {}}
    config["finetune"]["e"]["method"] = ["linear", "full"]
    for target in ("y", "z"):
        for method in ("linear", "full"):
            config.setdefault("few_shot", {})[f"{target}-{method}"] = {
                "dataset": "d",
                "model": f"e.a.{method}",
                "target": target,
            }
    seen = {task["entry"] for task in make_plan(load(config)).tasks.values() if task["seen_before"]}
    assert seen == {"y-full"}


def test_the_plan_is_plain_data_and_always_knows_the_vectors_backbone():
    made = make_plan(load(minimal()))
    for part in (made.datasets, made.backbones, made.models, made.tasks):
        assert json.loads(json.dumps(part)) == part
    assert made.backbones["vectors"]["library"] == "vectors"
    assert set(made.backbones["vectors"]) == set(made.backbones["a"])


def test_changing_one_model_of_the_plan_changes_neither_another_one_nor_the_config():
    config = load(minimal(backbone=["a", "b"]))
    models = make_plan(config).models
    models["e.a.linear"]["seeds"].append(7)
    assert models["e.b.linear"]["seeds"] == config["finetune"]["e"]["seeds"] == [0]


def test_the_tables_of_the_readme_are_those_of_the_schema():
    text = config_docs.readme_path().read_text(encoding="utf-8")
    assert config_docs.render(text) == text, "run: make docs"


def test_the_readme_has_a_table_for_every_section_and_plugin_folder():
    text = config_docs.readme_path().read_text(encoding="utf-8")
    places = set(re.findall(r"<!-- schema (\S+) -->", text))
    sections = {key for key, inner in read_schema()["properties"].items() if inner.get("type") == "object"}
    assert places >= sections - {"report"} | {"training", "top"}
    named = {"method", "classifier", "zero_shot", "objective", "task_weights", "ensemble"}
    named |= {"adaptation", "adaptation_objective", "validator", "ranking", "control", "class_score", "number_score"}
    named |= {"strategy"}
    assert set(re.findall(r"<!-- plugins (\S+) -->", text)) == named


def test_a_key_of_the_schema_that_is_new_makes_the_readme_drift(monkeypatch):
    changed = deepcopy(read_schema())
    changed["properties"]["device"]["properties"]["new"] = {"type": "integer", "default": 0, "description": "New."}
    monkeypatch.setattr(config_docs, "read_schema", lambda: changed)
    text = config_docs.readme_path().read_text(encoding="utf-8")
    assert "| `new` | whole number | `0` | a whole number | New. |" in config_docs.render(text)


def test_the_catalogs_schema_is_made_from_the_schema_and_has_only_what_the_catalog_shows():
    text = config_docs.catalog_path().read_text(encoding="utf-8")
    assert config_docs.catalog_schema(read_schema()) == text, "run: make docs"
    made = yaml.safe_load(text)
    Draft202012Validator.check_schema(made)
    rows = made["properties"]
    assert set(made["required"]) < set(rows) and "datasets" in made["required"]
    assert all({"type", "description"} <= set(row) <= {"type", "description", "default"} for row in rows.values())
    assert rows["finetune.NAME.epochs"]["default"] == 5 and rows["quick"]["default"] is False
    keys = {name.strip("`") for name in re.findall(r"^\| (`\S+`) \|", config_docs.schema_table("device"), re.MULTILINE)}
    assert keys == {name.removeprefix("device.") for name in rows if name.startswith("device.")}


def test_a_new_plugin_file_is_a_new_method_without_being_imported(tmp_path, monkeypatch):
    folder = tmp_path / "training/methods"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "mine.py").write_text('"""My way.\n\nMore."""\nraise SystemExit("imported")\n')
    read_schema()  # it has the settings of all plug-ins, and is read once
    monkeypatch.setattr(plugins, "LIBRARY", tmp_path)
    plugins.names.cache_clear()
    try:
        assert plugins.names("method") == {"mine": "My way."}
        with pytest.raises(UserError, match="linear"):
            load(minimal(method="linear"))
    finally:
        plugins.names.cache_clear()


ABSENT = """accelerate datasets filelock huggingface_hub matplotlib numpy pandas PIL pyarrow pygments ruamel safetensors scipy
sklearn tifffile timm torch torchvision transformers"""


@pytest.mark.parametrize("what", ["--dry-run", "--lint"])
def test_where_only_snakemake_is_installed_the_workflow_is_planned_and_linted(what):
    program = (
        "import sys, snakemake.api; from snakemake.cli import main; "
        "sys.modules |= dict.fromkeys(sys.argv.pop(1).split()); main()"
    )
    command = [sys.executable, "-c", program, ABSENT, what, "--cores", "1", "--quiet"]
    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert planned.returncode == 0, planned.stdout + planned.stderr


def test_variables_are_filled_in_in_every_path_and_nowhere_else(monkeypatch, tmp_path):
    monkeypatch.setenv("SCRATCH", str(tmp_path))
    config = {
        "datasets": {"d": {"source": {"path": "$SCRATCH/data"}, "targets": {"y": {"column": "$SCRATCH"}}}},
        "backbones": {"b": {"library": "timm", "architecture": "x", "source": {"path": "${SCRATCH}/w.pt"}}},
        "finetune": {"f": {"dataset": "d", "backbone": "b"}},
        "predict": {"new": {"model": "f.b.linear", "data": "$SCRATCH/new"}},
        "store": {"path": "$SCRATCH/store", "shared": "${SCRATCH}"},
        "lock": "~/graft.lock.json",
    }
    loaded = load(config)
    assert loaded["datasets"]["d"]["source"]["path"] == f"{tmp_path}/data"
    assert loaded["datasets"]["d"]["targets"]["y"]["column"] == "$SCRATCH"
    assert loaded["backbones"]["b"]["source"]["path"] == f"{tmp_path}/w.pt"
    assert loaded["predict"]["new"]["data"] == f"{tmp_path}/new"
    assert loaded["store"]["path"] == f"{tmp_path}/store" and loaded["store"]["shared"] == str(tmp_path)
    assert loaded["lock"] == str(Path("~/graft.lock.json").expanduser())


def test_every_path_of_the_schema_is_known_as_one():
    """A key whose description speaks of a folder or file on this machine takes variables."""
    places = {".".join(path) for path, schema, _ in every_key(read_schema()) if schema.get("x-place")}
    assert places == {
        "datasets.NAME.source.path",
        "datasets.NAME.groups",
        "datasets.NAME.labels",
        "backbones.NAME.source.path",
        "store.path",
        "store.shared",
        "lock",
        "predict.NAME.data",
    }


def test_a_known_backbone_needs_no_entry_and_an_own_entry_wins():
    config = {
        "datasets": {"cells": {"source": {"path": "cells"}, "reader": "folder"}},
        "finetune": {"solar": {"dataset": "cells", "backbone": ["effnet-lite0", "resnet50"]}},
    }
    loaded = load(config)
    assert list(loaded["backbones"]) == ["effnet-lite0", "resnet50"]
    assert loaded["backbones"]["resnet50"]["architecture"] == "resnet50" and load(loaded) == loaded
    own = {"resnet50": {"library": "timm", "architecture": "resnet50", "source": {"timm": "a1_in1k"}}}
    assert load(config | {"backbones": own})["backbones"]["resnet50"]["library"] == "timm"


def test_every_known_backbone_is_a_valid_entry():
    names = list(known_backbones())
    images = [name for name in names if known_backbones()[name]["library"] != "transformers"]
    load(
        {
            "datasets": {
                "cells": {"source": {"path": "c"}, "reader": "folder"},
                "words": {"source": {"path": "w"}, "columns": {"text": "t"}},
            },
            "finetune": {
                "a": {"dataset": "cells", "backbone": images},
                "b": {"dataset": "words", "backbone": [name for name in names if name not in images]},
            },
        }
    )


def test_a_backbone_like_another_says_only_what_differs():
    entry = {"small": {"like": "effnet-lite0", "input_size": 160}, "tiny": {"like": "small", "input_size": 64}}
    config = {
        "datasets": {"cells": {"source": {"path": "cells"}, "reader": "folder"}},
        "backbones": entry,
        "finetune": {"solar": {"dataset": "cells", "backbone": ["tiny", "small"]}},
    }
    loaded = load(config)
    original = known_backbones()["effnet-lite0"]
    for name, size in (("small", 160), ("tiny", 64)):
        made = loaded["backbones"][name]
        assert made["input_size"] == size and made["crop"] == original["crop"] and "like" not in made
        assert made["source"]["sha256"] == original["source"]["sha256"]
    assert load(loaded) == loaded and config["backbones"] == entry
