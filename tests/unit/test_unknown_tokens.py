"""What a vocabulary lacks is counted and shown with its place; texts of another kind are refused."""

import logging
from types import SimpleNamespace

import pandas as pd
import pytest

import assets
from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.embedding.input_batches import TextInputs
from graft.embedding.unknown_tokens import count_unknown, facts_of
from graft.networks import backbones
from graft.store import Store
from tiny_data import prepared, write_lines

PROSE = [f"The cell wall of bacterium number {i} is thick" for i in range(20)]
MOLECULES = ["C" * (i + 1) + "O" for i in range(20)]
ENTRY = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}


def opened(tmp_path, texts, name="rxnfp"):
    """The inputs of these texts for a backbone."""
    write_lines(tmp_path, "id,text,label", *(f"s{i},{text},{'ab'[i % 2]}" for i, text in enumerate(texts)))
    found, folder = prepared(tmp_path, **ENTRY), assets.backbone(name)
    backbone = SimpleNamespace(spec=read_json(folder / "backbone.json"), folder=folder)
    source = SimpleNamespace(entry=ENTRY, root=tmp_path, card=found.card)
    return TextInputs(found.frame, source, backbone, Store(tmp_path / "store"), 1)


@pytest.mark.parametrize(
    ("name", "texts", "says"),
    [
        (
            "rxnfp",
            PROSE,
            r"20 of 20 texts are mostly unknown to the vocabulary of 'rxnfp': 'T' in t.csv, row 1;(.|\n)*SMILES",
        ),
        ("rxnfp", PROSE[:11] + MOLECULES[:9], "11 of 20 texts are mostly unknown"),
        ("rxnmapper", [f"EVQLVESGGGLVQPGGSLRLSCAAS{'A' * i}" for i in range(20)], "'E' in t.csv, row 1"),
        ("antiberty", [f"O=C(O)[C@@H]({i})CC" for i in range(20)], "one capital letter per residue"),
    ],
)
def test_texts_of_another_kind_are_refused_with_token_and_row(tmp_path, name, texts, says):
    with pytest.raises(UserError, match=says):
        opened(tmp_path, texts, name)


def test_a_few_texts_with_unknown_tokens_are_said_in_the_log_and_read(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="graft"):
        inputs = opened(tmp_path, [*MOLECULES, *PROSE[:3], "CC(H)O"])
    assert (
        "4 of 24 texts have tokens that the vocabulary of 'rxnfp' lacks (3 are mostly unknown): 'T' in t.csv, row 21"
        in caplog.text
    )
    assert len(inputs.lengths) == 24


def test_molecules_that_are_known_say_nothing(tmp_path, caplog):
    opened(tmp_path, MOLECULES)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_numbers_are_those_of_the_tokens(tmp_path):
    words = backbones.tokenizer(assets.backbone("rxnfp"))
    texts = ["CC(H)O", "CCO", "HHHC", ""]
    counted, own = count_unknown(words, words(texts)["input_ids"])
    assert counted.tolist() == [1, 0, 3, 0] and own.tolist() == [6, 3, 4, 0]
    rows = pd.DataFrame({"path": ["a.csv", "a.csv", "b.txt", "a.csv"], "row": [4, 5, -1, 6]})
    found = facts_of(words, texts, rows, counted, own)
    assert found == {"texts": 2, "mostly": 1, "tokens": 4, "examples": ["'H' in b.txt", "'H' in a.csv, row 5"]}


def test_a_vocabulary_of_words_counts_too_and_a_text_that_spells_the_unknown_token_does_not():
    words = backbones.tokenizer(assets.backbone("minilm"))
    counted, _ = count_unknown(words, words(["a cell", "a 🧪 cell", "[UNK]"], split_special_tokens=True)["input_ids"])
    assert counted.tolist() == [0, 1, 0]
