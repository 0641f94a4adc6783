"""A config without mistakes, and what graft says of it with some."""

import yaml

from graft.common.errors import UserErrors
from graft.config import load

GOOD = """
datasets:
  cells: {source: {path: cells}, reader: folder}
  news:
    source: {path: news}
    columns: {text: text}
    targets: {topic: {classes: [a, b, c]}, mark: {kind: regression}}
    limit: 60
backbones:
  net: {library: timm, architecture: resnet18, source: {timm: a1_in1k}}
  small: {library: torchvision, architecture: resnet18, source: {torchvision: DEFAULT}}
  words: {library: transformers, source: {huggingface: some/bert}}
finetune:
  solar: {dataset: cells, backbone: net, method: [linear, full], seeds: [0, 1]}
  topics: {dataset: news, backbone: words}
  marks: {dataset: news, target: mark, backbone: words}
few_shot:
  few: {dataset: news, backbone: words, ways: 3, shots: [1, 2]}
  deep: {dataset: cells, model: solar.net.full, ways: 2}
distill:
  tiny: {teacher: solar.net.full, backbone: small}
predict:
  plate: {model: solar.net.full, seed: 1, data: incoming/plate}
hand_off: {models: [solar.net.full]}
"""


def problems(change=None, text=GOOD):
    """The errors of GOOD after `change`, a dict of dotted paths and values, as {where: error}."""
    config = yaml.safe_load(text)
    for path, value in (change or {}).items():
        *parents, last = path.split("/")
        at = config
        for key in parents:
            at = at[key]
        at[last] = value
    try:
        load(config)
    except UserErrors as error:
        return {one.where: one for one in error.errors}
    return {}


def only(change, where):
    """The one error of a change, which must be at `where`."""
    found = problems(change)
    assert list(found) == [where], [str(error) for error in found.values()]
    return found[where]
