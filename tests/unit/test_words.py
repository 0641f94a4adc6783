"""The tokenizer that is kept for jobs without transformers cuts texts as transformers does."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assets
from graft.embedding import unknown_tokens
from graft.embedding.input_batches import token_rows
from graft.networks import backbones, words
from repository import ROOT

NAMES = ["minilm", "rxnfp", "antiberty"]
PIECES = [
    "CC(=O)O",
    "EVQLVESGG",
    "[CLS]",
    "[SEP]",
    "[UNK]",
    "<mask>",
    " the  cell ",
    "naïve",
    "日本",
    "\n\t",
    "Cl",
    "1.5e-3",
    "\u200d",
    "🙂",
]


@pytest.fixture(scope="module")
def both():
    """name -> (transformers' tokenizer, and what is kept of it)."""
    found = {name: backbones.tokenizer(assets.backbone(name)) for name in NAMES}
    return {name: (one, words.Words(json.loads(words.facts_of(one)))) for name, one in found.items()}


@pytest.mark.parametrize("name", NAMES)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=8).map("".join), min_size=1, max_size=5
    )
)
def test_it_cuts_any_text_as_transformers_does(both, name, texts):
    theirs, ours = both[name]
    assert np.array_equal(token_rows(ours, texts, 16), token_rows(theirs, texts, 16))
    ids = [row[1 : row[0] + 1].tolist() for row in token_rows(ours, texts, 64).astype(int)]
    for mine, other in zip(
        unknown_tokens.count_unknown(ours, ids), unknown_tokens.count_unknown(theirs, ids), strict=True
    ):
        assert np.array_equal(mine, other)
    assert [unknown_tokens._first(ours, one) for one in texts] == [unknown_tokens._first(theirs, one) for one in texts]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_the_length_and_the_special_tokens(both, name):
    theirs, ours = both[name]
    assert len(ours) == len(theirs)
    assert (ours.pad_token_id, ours.unk_token_id) == (theirs.pad_token_id, theirs.unk_token_id)


TOKENIZE = """
import sys
from graft.networks.words import words_of
from graft.embedding.input_batches import token_rows
print(token_rows(words_of(sys.argv[1]), ["a cell"], 8).tolist(), "torch" in sys.modules)
"""


def test_texts_are_cut_without_torch_where_the_folder_has_it_and_by_transformers_elsewhere(both, tmp_path):
    theirs, _ = both["minilm"]
    folder = shutil.copytree(assets.backbone("minilm"), tmp_path / "minilm")
    wanted = token_rows(theirs, ["a cell"], 8).tolist()
    for kept in (False, True):
        (folder / words.FILE).unlink(missing_ok=True)
        if kept:
            (folder / words.FILE).write_bytes(words.facts_of(theirs))
        command = [sys.executable, "-c", TOKENIZE, str(folder)]
        done = subprocess.run(
            command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "scripts")}, check=True
        )
        assert done.stdout.split(" ")[-1].strip() == str(not kept) and done.stdout.startswith(str(wanted))


def test_a_text_is_cut_at_the_end_that_the_tokenizer_says(both):
    theirs, _ = both["minilm"]
    theirs.truncation_side = "left"
    try:
        ours = words.Words(json.loads(words.facts_of(theirs)))
        text = ["a b c d e f g h"]
        assert np.array_equal(token_rows(ours, text, 5), token_rows(theirs, text, 5))
        assert not np.array_equal(token_rows(ours, text, 5), token_rows(both["minilm"][1], text, 5))
    finally:
        theirs.truncation_side = "right"
