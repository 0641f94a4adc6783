"""make new, make check, make run QUICK=1: from a folder that nobody has tidied to the first metric."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from new_config import main as new_config
from running import graft
from tiny_data import UNTRAINED, encoded, pixels


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A folder of 16-bit pictures, sites above classes, with a broken file and unlabelled ones; quickly looked at."""
    folder = tmp_path_factory.mktemp("lab")
    for number in range(120):
        site, kind = number % 8, ("sick", "well")[number // 8 % 2]
        place = folder / "cells" / f"site-{site}" / kind
        place.mkdir(parents=True, exist_ok=True)
        array = pixels(number, channels=1, height=40, width=40).astype("uint16") * (9 + 3 * (kind == "sick"))
        (place / f"{number}.png").write_bytes(encoded(array))
    (folder / "cells" / "site-1" / "sick" / "broken.png").write_bytes(b"<html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        new_config("cells")
    config = folder / "cells.yaml"
    text = config.read_text().replace("backbone: effnet-lite0", "backbone: tiny")
    config.write_text(text + yaml.safe_dump({"backbones": {"tiny": UNTRAINED}}))
    return folder


def test_check_prepares_and_shows_and_trains_nothing(lab):
    run = graft(lab, lab / "cells.yaml", "check")
    assert "finetune" not in run.jobs and "embed" not in run.jobs
    page = (lab / "results/data/cells/data_card.html").read_text()
    assert "cells.tiny.lp_ft" in page and "broken.png" in page
    last = run.output.split("Look at this")[1]
    assert "results/data/cells/data_card.html" in last and "make run CONFIG=cells.yaml" in last


def test_a_quick_look_is_linear_alone_has_200_samples_at_most_and_results_of_its_own(lab):
    run = graft(lab, lab / "cells.yaml", "--config", "quick=true")
    assert [path.parts[-3] for path in (lab / "results").rglob("ft_model.pt")] == ["cells.tiny.linear"]
    counts = json.loads((lab / "results/quick/data/cells/data_card.json").read_text())["counts"]
    assert sum(counts.values()) <= 200 and not (lab / "results/finetune").exists()
    assert "make run CONFIG=cells.yaml" in run.output  # the named file, not the embedded default
    assert "cells.tiny.linear: AUROC" in run.output and "A quick look at few samples" in run.output
    page = (lab / "results/quick/index.html").read_text()
    assert "A quick look at few samples" in page and "cells.tiny.linear" in page
    rows = pd.read_csv(lab / "results/quick/summary.csv").set_index("stage")["model"]
    assert rows["finetune"] == "cells.tiny.linear" and list(rows["control"]) == ["majority", "texture"]


def test_a_failed_run_ends_with_the_reason_and_the_log(lab):
    config = lab / "strict.yaml"
    config.write_text((lab / "cells.yaml").read_text().replace("on_bad: skip", "on_bad: error"))
    run = graft(lab, config, check=False)
    last = run.output[run.output.index("prepare_data failed:") :]
    assert run.returncode and "Traceback" not in last and last.rstrip().endswith("logs/prepare_data/cells.log")
    assert "site-1/sick/broken.png" in last and "on_bad: skip" in last


def test_where_every_row_has_a_label_there_is_no_page_to_label_on_and_the_run_says_so(tmp_path):
    (tmp_path / "d").mkdir()
    np.savez(tmp_path / "d/d.npz", x=np.random.default_rng(0).normal(size=(60, 4)), y=np.arange(60) % 2)
    data = {"source": {"path": "d"}, "columns": {"features": "x"}, "targets": {"label": {"column": "y"}}}
    model = {"dataset": "numbers", "backbone": "vectors", "method": "linear"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"datasets": {"numbers": data}, "finetune": {"one": model}}))
    run = graft(tmp_path, tmp_path / "c.yaml", "label")
    assert set(run.jobs) == {"fetch_dataset", "prepare_data"} and "there is no page to label on" in run.output
