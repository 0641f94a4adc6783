"""Is the expert who looks at the chosen cells and writes what they are into the lab's table.

python label.py ELPV next_to_label.csv cells/labels.csv
"""

import sys

import pandas as pd
from collect import truth


def main(elpv, chosen, table):
    """Fill in the labels of the chosen rows; they join train, so that test stays what it was."""
    rows = pd.read_csv(table, index_col="path")
    looked_at = pd.read_csv(chosen)["sample_id"]
    rows.loc[looked_at, "defect"] = truth(elpv)[looked_at]
    rows.loc[looked_at, "split"] = "train"
    rows.to_csv(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
