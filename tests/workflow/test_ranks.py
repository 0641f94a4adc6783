"""Several processes train one network together as one does: same batches, same losses, same weights but for rounding."""

import pandas as pd
import pytest
import torch
import yaml

from running import graft
from tiny_data import image_folder, trainings

RUN = "results/finetune/cells.tiny.full/seed0"


def run(folder, ranks, **settings):
    """Train with `ranks` processes on CPUs; the model, the history and what the log says."""
    folder.mkdir()
    config = trainings(image_folder(folder / "cells", per_class=24), epochs=2, dropout=0, **settings)
    config["device"] = {"gpus_per_job": ranks, "rehearsal": True, "precision": "fp32"}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    graft(folder, folder / "config.yaml", f"{RUN}/ft_model.pt")
    log = (folder / "logs/finetune/cells.tiny.full.seed0.log").read_text()
    model = torch.load(folder / RUN / "ft_model.pt", weights_only=True)
    return model, pd.read_csv(folder / RUN / "ft_history.csv"), log


@pytest.fixture(scope="module")
def alone_and_together(tmp_path_factory):
    """Runs by one process and by two, whose last batch does not come out even, with weighted classes and views."""
    folder = tmp_path_factory.mktemp("ranks")
    settings = {"class_weights": "balanced", "augment": "standard"}
    return [run(folder / str(ranks), ranks, **settings) for ranks in (1, 2)]


def test_two_ranks_end_with_the_weights_of_one(alone_and_together):
    (alone, *_), (together, *_) = alone_and_together
    for name, value in alone["state_dict"].items():
        assert torch.allclose(value.float(), together["state_dict"][name].float(), rtol=2e-2, atol=2e-4), name


def test_two_ranks_have_the_losses_of_one(alone_and_together):
    (_, alone, _), (_, together, _) = alone_and_together
    for column in ("train_loss", "val_loss"):
        assert together[column].to_numpy() == pytest.approx(alone[column].to_numpy(), rel=1e-3), column


def test_what_happens_is_logged_once(alone_and_together):
    for _, _, log in alone_and_together:
        assert log.count("epoch 2: ") == 1


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_training_that_gets_no_gpu_stops_at_once_and_says_why(tmp_path, ranks):
    config = trainings(image_folder(tmp_path / "cells", per_class=24)) | {"device": {"gpus_per_job": ranks}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    done = graft(tmp_path, tmp_path / "config.yaml", f"{RUN}/ft_model.pt", check=False)
    assert done.returncode
    assert f"the job was given {ranks} GPU(s), but " in done.output and "device.gpus_per_job" in done.output
