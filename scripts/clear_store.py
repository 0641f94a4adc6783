"""Delete from the store what the given configs no longer name: `python scripts/clear_store.py [CONFIG ...]`.

In a store that other users may write to, too, what any of them has used in the last 30 days stays. The store under
`store.shared` is never touched.
"""

import argparse
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import yaml

from graft import config as graft_config
from graft.common.errors import REASON, UserError, raise_all
from graft.common.outputs import read_json
from graft.config.files import read_strict
from graft.data.images import DECODER
from graft.networks import network
from graft.store import Store
from graft.training.teacher import view_seeds

DEFAULT = Path(__file__).resolve().parent.parent / "config" / "config.yaml"
DAYS = 30  # for which a table stays in a store of several users, whose configs are not all known here


def main(configs, results, resources, store=None, unused_days=None):
    """Keep the tables of the backbones and trained models that `configs` (dicts after load) name.

    Returns
    -------
    bytes set free, and the number of tables that stay only because they were used in the last `unused_days` (default: 0
    in a store of one's own, 30 in one that others may write to)
    """
    plans = [graft_config.make_plan(config) for config in configs]
    specs = [
        read_json(path) for plan in plans for path in _existing(resources, "backbones/{}/backbone.json", plan.backbones)
    ]
    models = [
        path
        for plan in plans
        for name, model in plan.models.items()
        if model["stage"] != "ensemble"  # which has no weights: its members are models of the plan
        for path in Path(results).glob(f"{model['stage']}/{name}/seed*/ft_model.pt")
    ]
    weights = {spec["weights_sha256"] for spec in specs if "weights_sha256" in spec}
    weights |= {network.load(path)["digests"]["backbone"] for path in models}
    fits = [_fit(spec["preprocessing"]) for spec in specs if spec["modality"] == "image"]
    answers = [answer for plan in plans for answer in _answers(plan, results)]

    tokenizers = [spec["preprocessing"].get("tokenizer") for spec in specs if spec["modality"] == "text"]

    openvino = version("openvino") if find_spec("openvino") else None

    def wanted(kind, key):
        # Embeddings and answers of versions that did not say what made them are not looked for any more.
        if kind == "images":
            return _fit(key) in fits and key.get("decoder") == DECODER
        if kind == "tokens":
            return key["tokenizer"] in tokenizers
        if kind == "teacher_logits":
            return "engine" in key and [key.get(name) for name in ("model", "augment", "view_seed")] in answers
        if kind == "networks":
            # In which numbers torch may run a network does not depend on the version of OpenVINO.
            return key["weights"] in weights and key.get("openvino", openvino) == openvino
        return "engine" in key and key.get("weights") in weights

    store = store or Store.of(configs[0]["store"])
    if unused_days is None:
        unused_days = DAYS if store.open_to_others() else 0
    return store.keep_only(wanted, unused_days)


def _existing(resources, pattern, names):
    paths = (Path(resources) / pattern.format(name) for name in names)
    return [path for path in paths if path.exists()]


def _answers(plan, results):
    """What the students of a plan ask of their teachers: [digest of the teacher, augmentation, view seed]."""
    for student in plan.models.values():
        if student["stage"] == "distill" and student["augment"] != "none":
            own = [{"name": student["teacher"], "seed": student["teacher_seed"]}]
            for teacher in plan.models[student["teacher"]].get("members", own):
                model = _digest(plan, results, **teacher)
                yield from ([model, student["augment"], list(seed)] for seed in view_seeds(student, seed=0))


def _digest(plan, results, name, seed):
    """The digest of a trained model; None where it is not there."""
    path = Path(results) / plan.models[name]["stage"] / name / f"seed{seed}" / "ft_model.pt"
    return network.load(path)["digests"]["model"] if path.exists() else None


def _fit(key):
    return [key.get(name) for name in ("size", "fit", "crop", "interpolation")]


def read(path):
    """The config in a YAML file, checked, with every default."""
    if not path.is_file():
        raise UserError("there is no such config file", str(path))
    raise_all(read_strict(path)[0])
    return graft_config.load(yaml.safe_load(path.read_text(encoding="utf-8-sig")), [path])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", type=Path, default=[DEFAULT])
    parser.add_argument("--results", default="results")
    parser.add_argument("--resources", default="resources")
    parser.add_argument("--days", type=float, help="keep what was used in the last DAYS days (default: 0, shared: 30)")
    arguments = parser.parse_args()
    try:
        loaded = [read(path) for path in arguments.configs]
        freed, spared = main(loaded, arguments.results, arguments.resources, unused_days=arguments.days)
    except UserError as error:
        sys.exit(f"{REASON}{error}")
    print(f"{freed / 1e9:.3f} GB set free")
    if spared:
        print(
            f"{spared} tables that are not named stay: they were used lately, perhaps by others (DAYS=0 deletes them)"
        )
