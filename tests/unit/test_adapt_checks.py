"""Mistakes in an entry of adapt: each is said before any job starts, where it is, with what is allowed."""

import pytest

from bad_config import problems

GOOD = """
datasets:
  old: {source: {path: old}, columns: {features: "x*"}, targets: &t {kind: {classes: [a, b]}, dose: {kind: regression}, site: {classes: [u, v, w]}}}
  new: {source: {path: new}, columns: {features: "x*"}, targets: *t}
  grades: {source: {path: grades}, columns: {features: "x*"}, targets: {kind: {kind: ordinal, classes: [low, mid, high]}, site: {classes: [u, v]}}}
  photos: {source: {path: photos}, reader: folder, targets: {label: {classes: [cat, dog]}}}
  scans: {source: {path: scans}, reader: folder, targets: {label: {classes: [cat, dog]}}}
backbones:
  pca: {library: vectors, preprocess: [{pca: {components: 3}}]}
  net: {library: timm, architecture: resnet18, source: {random: true}}
adapt:
  two: {source: old, target: new, backbone: vectors, method: coral}
  one: {dataset: old, domain: {column: site, source: u, target: [v]}, backbone: vectors, method: coral}
  deep: {source: photos, target: scans, backbone: net, method: mcc}
"""


def test_the_config_without_mistakes_is_one():
    assert problems(text=GOOD) == {}


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"adapt/two/target": "old"}, "adapt.two.target", "source and target are the same data set 'old'"),
        (
            {"datasets/new/targets": {"kind": {"classes": ["c", "d"]}}},
            "adapt.two.target",
            "no class of target 'kind' in common",
        ),
        (
            {"datasets/new/targets": {"kind": {"classes": ["b", "a"]}}},
            "adapt.two.target",
            "are in another order in 'new'",
        ),
        ({"datasets/new/targets": {"size": {}}}, "adapt.two.target", "has no target 'kind'"),
        (
            {"datasets/new/targets": {"kind": {"kind": "regression"}}},
            "adapt.two.target",
            "of kind classification in 'old'",
        ),
        ({"adapt/two/backbone": "pca"}, "adapt.two.backbone", "learns from the train rows of each data set for itself"),
        ({"adapt/two/label": "dose", "adapt/two/method": "label_shift_em"}, "adapt.two.method", "is about classes"),
        ({"adapt/two/label": "dose", "adapt/two/validator": "entropy"}, "adapt.two.validator", "is about classes"),
        ({"adapt/one/domain/target": ["u", "v"]}, "adapt.one.domain.target", "'u' is of the source, too"),
        ({"adapt/one/domain/target": "z"}, "adapt.one.domain.target", "target 'site' has no class 'z'"),
        ({"adapt/one/domain/column": "place"}, "adapt.one.domain.column", "'place' is no target of data set 'old'"),
        ({"adapt/one/domain/column": "dose"}, "adapt.one.domain.column", "target 'dose' has no classes"),
        ({"adapt/one/label": "site"}, "adapt.one.domain.column", "'site' is the target that is learned"),
        ({"adapt/one/dataset": "grades"}, "adapt.one", "of kind ordinal, and adaptation is for one class per sample"),
        ({"adapt/deep/validator": "circular"}, "adapt.deep.validator", "and 'mcc' trains a network"),
        (
            {"finetune": {"f": {"dataset": "old", "backbone": "vectors", "method": "coral"}}},
            "finetune.f.method",
            "adapt: {f: {source: old, target: DATASET",
        ),
    ],
)
def test_a_mistake_is_said_where_it_is(change, where, said):
    found = problems(change, GOOD)
    assert where in found, found
    assert said in str(found[where])
