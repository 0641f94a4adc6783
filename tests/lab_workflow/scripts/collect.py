"""The lab's data before the first run: a folder of images, and a table in which few have a label.

python collect.py ELPV CELLS: ELPV is a folder with labels.csv (path, probability of a defect, type) and images/.
"""

import shutil
import sys
from pathlib import Path

import pandas as pd

ROWS = {"train": 300, "validation": 200, "test": 500, "pool": 200}


def truth(elpv):
    """What experts said of each image; Series of intact or defective by path."""
    table = pd.read_csv(Path(elpv, "labels.csv"), sep=r"\s+", names=["path", "probability", "type"], index_col="path")
    return (table["probability"] > 0.5).map({False: "intact", True: "defective"})


def main(elpv, cells):
    """Draw the images and copy them; cells/labels.csv has path, defect (empty in the pool) and split."""
    drawn = truth(elpv).sample(sum(ROWS.values()), random_state=0)
    table = pd.DataFrame({"path": drawn.index, "defect": drawn.to_numpy()})
    table["split"] = [split for split, count in ROWS.items() for _ in range(count)]
    table.loc[table["split"] == "pool", "defect"] = None
    for path in table["path"]:
        Path(cells, path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(elpv, path), Path(cells, path))
    table.to_csv(Path(cells, "labels.csv"), index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
