"""Several jobs embed one data set together: each sample is forwarded once, and the file has the bytes of one job."""

import json

import pytest
import yaml

from graft.embedding.engines.verdicts import FEW
from running import graft
from tiny_data import image_folder, trainings

JOBS = 3
LABELLED = "results/features/cells/tiny/labelled.parquet"
TARGETS = [LABELLED, "results/finetune/cells.tiny.linear/seed0/ft_model.pt"]


def run(folder, jobs):
    config = trainings(image_folder(folder / "cells", per_class=350), method="linear")
    config["device"] = {"embedding_jobs": jobs}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    graft(folder, folder / "config.yaml", *TARGETS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Finished runs of one job and of several."""
    made = [tmp_path_factory.mktemp(name) for name in ("one", "several")]
    for folder, jobs in zip(made, (1, JOBS), strict=True):
        run(folder, jobs)
    return made


def counts(folder, item):
    return json.loads((folder / f"logs/embed/cells.tiny.labelled{item}.json").read_text())


def test_the_file_has_the_bytes_of_one_job(folders):
    one, several = ((folder / LABELLED).read_bytes() for folder in folders)
    assert one == several


def test_every_sample_is_decoded_and_forwarded_once_and_by_several_jobs(folders):
    _, several = folders
    shares = [counts(several, f".{number}-of-{JOBS}") for number in range(1, JOBS + 1)]
    assert all(0 < share["forwards"] < 700 for share in shares)
    assert sum(share["forwards"] for share in shares) == 700
    assert 700 <= sum(share["decodes"] for share in shares) <= 700 + JOBS * FEW  # each may try the network with a few
    assert counts(several, "")["forwards"] == 0


def test_nothing_changed_reruns_nothing(folders):
    assert graft(folders[1], folders[1] / "config.yaml", *TARGETS).jobs == {}
