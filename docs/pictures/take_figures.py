"""Take the figures of docs/reference/figures.md from the default run: python docs/pictures/take_figures.py results/figures"""

import shutil
import sys
from pathlib import Path

OUT = Path(__file__).with_name("figures")
COMMITTEE, STUDENT = "ensemble/committee.ensemble.mean/seed0/defect", "distill/small.effnet-lite0-160.kd/seed0/defect"
TAKEN = {
    **{name: f"{COMMITTEE}/{name}.svg" for name in ("confusion", "per_class", "reliability", "roc", "risk_coverage")},
    "distillation": f"{STUDENT}/distillation.svg",
    "learning_curves": "finetune/solar.effnet-lite0.lp_ft/seed0/learning_curves.svg",
    "curves": "curves/elpv.svg",
    "data": "data/elpv.svg",
    "few_shot": "few_shot/news.svg",
}


def take(figures):
    """Copy the figures out of the folder `figures` of a run's results."""
    OUT.mkdir(exist_ok=True)
    for name, path in TAKEN.items():
        shutil.copyfile(Path(figures) / path, OUT / f"{name}.svg")


if __name__ == "__main__":
    take(*sys.argv[1:])
