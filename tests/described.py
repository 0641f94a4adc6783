"""Whether docs/reference/files.yaml says what is in the files of a run: each file, and each column with its type."""

import json
import re
from functools import cache

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from graft.common import plugins
from running import ROOT

LEVEL = r"\d+(\.\d+)?"
MAYBE = {  # what a name in braces may be filled in with, where that is not any text
    "level": LEVEL,
    "split": "train|validation|test|pool",
    "stage": "finetune|distill|adapt|ensemble",
    "x": "teacher|student",
    "list": "predictions|embeddings|label_issues|to_label",
    "number": "val_(acc|loss|loss_calibrated|auroc|r2|map|mae_levels)",
}
PARQUET = {
    "text": (pa.types.is_string, pa.types.is_large_string),
    "number": (pa.types.is_floating,),
    "whole number": (pa.types.is_integer,),
    "yes or no": (pa.types.is_boolean,),
    "list of text": (pa.types.is_list,),
    "vector": (pa.types.is_fixed_size_list,),
}
JSON = {"text": str, "number": (int, float), "whole number": int, "list": list, "list of text": list}
ANY = ("block", "text or number")


@cache
def content():
    return yaml.safe_load((ROOT / "docs/reference/files.yaml").read_text(encoding="utf-8"))


@cache
def pattern(name, of_path=False):
    """The regular expression of a name with braces; metrics are those that docs/metrics.md names, and what sets are judged by."""
    metrics = re.findall(r"`(\w+)`", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
    known = MAYBE | {"validator": "|".join(plugins.names("validator"))}
    known |= {"metric": "|".join([*metrics, *(f"{one}_{LEVEL}" for one in ("coverage", "set_size", "width"))])}
    free = "[^/]+" if of_path else ".+"
    parts = re.split(r"\{(\w+)\}", name)
    return re.compile(
        "".join(f"({known.get(part, free)})" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    )


def seen(results):
    """The titles of the tables that a run has."""
    return {table["title"] for path in results.rglob("*") if (table := table_at(path, results))}


def faults(results):
    """What is wrong with the description of the files of a run: list of str, for each file and column a line."""
    files = [path for path in sorted(results.rglob("*")) if path.is_file()]
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(results).parts)]
    assert files, results
    found = []
    for path in files:
        name, table = path.relative_to(results).as_posix(), table_at(path, results)
        if table:
            found += [f"{name}: {fault}" for fault in faults_of(values_of(path), table)]
        elif not any(re.match(pattern(other, of_path=True), name) for other in content()["others"]):
            found.append(f"{name}: no such file is described")
    return found


def table_at(path, results):
    name = path.relative_to(results).as_posix()
    known = [one for one in content()["tables"] if pattern(one["file"], of_path=True).fullmatch(name)]
    return max(known, key=lambda one: len(one["file"]), default=None)


def values_of(path):
    """Columns of a file: dict, name -> what says its type, of a JSON file a list of the values at these keys."""
    if path.suffix == ".parquet":
        return {field.name: field.type for field in pq.read_schema(path)}
    if path.suffix == ".csv":
        return dict(pd.read_csv(path, dtype=str, keep_default_na=False).items())
    found = {}
    for name, value in flat(json.loads(path.read_text(encoding="utf-8"))):
        found.setdefault(name, []).append(value)
    return found


def flat(value, name=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from flat(inner, f"{name}[]")
    else:
        yield name, value


def faults_of(values, table):
    """Of the kinds of targets, the one counts that fits best."""
    kinds = list(table.get("of_kind", {"": {}}).values())
    each = [faults_of_columns(values, {**table["columns"], **kind, **table.get("then", {})}) for kind in kinds]
    return min(each, key=len)


def faults_of_columns(values, columns):
    found, met = [], set()
    for name, own in values.items():
        described = [one for one, facts in columns.items() if fits(one, facts, name)]
        met.update(described)
        if not described:
            found.append(f"'{name}' is not described")
        elif not has_type(own, columns[described[0]][0].split(" (")[0]):
            found.append(f"'{name}' is no {columns[described[0]][0]}")
    return found + [f"'{name}' is not there" for name, facts in columns.items() if len(facts) < 3 and name not in met]


def fits(described, facts, name):
    if facts[0] == "block":
        return re.fullmatch(f"({pattern(described).pattern})(\\.|\\[\\]|$).*", name)
    return pattern(described).fullmatch(name)


def has_type(values, kind):
    if kind in ANY:
        return True
    if isinstance(values, pa.DataType):
        return pa.types.is_null(values) or any(test(values) for test in PARQUET[kind])
    if isinstance(values, list):
        return all(one is None or isinstance(one, JSON[kind]) and not isinstance(one, bool) for one in values)
    return all(one == "" or in_csv(one, kind) for one in values)


def in_csv(word, kind):
    if kind == "yes or no":
        return word in ("True", "False")
    try:
        read = {"text": str, "number": float, "whole number": float, "list of text": json.loads}[kind](word)
    except ValueError:
        return False
    return kind != "whole number" or read.is_integer()
