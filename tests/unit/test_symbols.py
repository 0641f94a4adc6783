"""Networks of chemistry and biology read what their authors trained them on: one token per symbol, made from vocab.txt."""

import json
import re

import pytest
import torch
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel

import assets
from graft.common.errors import UserError
from graft.common.outputs import read_json
from graft.fetch.backbones import fetch_backbone
from graft.networks import backbones, symbols

# As in the paper's code (Schwaller et al. 2019, Molecular Transformer), for an independent reading.
SMILES = re.compile(
    r"(\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?|>|\*|\$|\%[0-9]{2}|[0-9])"
)
MOLECULES = ["CCO", "CC(=O)Oc1ccccc1C(=O)O", "C[C@@H](N)C(=O)[O-]", "Clc1ccc(Br)c(c1)C%12CCCC%12", "O=C1NC=CC(=O)N1"]
ANTIBODY = "EVQLVQSGPEVKKPGTSVKVSCKASGFTFMSSAVQWVRQARGQRLEWIGWIVIGSGNTNYAQKFQERVTITRDMSTSTAYMELSSLRSEDTAVYYCAAPYCSSISCNDGFDIWGQGTMVTVS"
NETWORKS = {
    "rxnfp": (BertConfig, BertModel, SMILES.findall, MOLECULES),
    "rxnmapper": (AlbertConfig, AlbertModel, SMILES.findall, MOLECULES),
    "antiberty": (BertConfig, BertModel, list, [ANTIBODY, ANTIBODY[20:60], "DVVMTQTPFSLPVSLGDQASISC"]),
}


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_an_embedding_is_that_of_the_network_on_token_ids_made_by_hand(name):
    config, network, cut, texts = NETWORKS[name]
    root = assets.dataset(f"{name}-files") / "root"
    folder = next(root.rglob("config.json")).parent
    ids = {word: number for number, word in enumerate(next(root.rglob("vocab.txt")).read_text().splitlines())}
    reference = network(config(**json.loads((folder / "config.json").read_text())), add_pooling_layer=False).eval()
    state = torch.load(folder / "pytorch_model.bin", weights_only=True, map_location="cpu")
    trunk = {key.partition(".")[2]: value for key, value in state.items() if key.startswith(("bert.", "albert."))}
    assert not [key for key in reference.load_state_dict(trunk, strict=False).missing_keys if "position_ids" not in key]
    expected = []
    for text in texts:  # one at a time: without padding
        tokens = torch.tensor([[ids[word] for word in ("[CLS]", *cut(text), "[SEP]")]])
        expected.append(reference(input_ids=tokens).last_hidden_state[0].mean(dim=0))

    module, words = backbones.load(assets.backbone(name)), backbones.tokenizer(assets.backbone(name))
    inputs = words(texts, padding=True, return_tensors="pt", split_special_tokens=True)
    assert inputs["attention_mask"].min() == 0
    embedding = module({key: inputs[key] for key in ("input_ids", "attention_mask")})
    assert torch.allclose(embedding, torch.stack(expected), atol=1e-4)


def test_real_molecules_are_cut_as_the_paper_does_and_what_is_no_smiles_is_unknown():
    words = backbones.tokenizer(assets.backbone("rxnfp"))
    lines = (assets.dataset("solubility") / "root/solubility.train.sdf").read_text().split("\n")
    texts = [value for name, value in zip(lines, lines[1:], strict=False) if "<smiles>" in name]
    ids = words(texts)["input_ids"]
    unknown = [one.count(words.unk_token_id) for one in ids]
    assert len(ids) == 1025
    assert unknown == [len("".join(SMILES.split(text)[::2])) for text in texts]  # what the pattern leaves over
    assert sum(unknown) == 19  # hydrogens outside brackets, in 10 texts
    assert [len(one) for one in ids] == [
        2 + len(SMILES.findall(text)) + n for text, n in zip(texts, unknown, strict=True)
    ]


def word_list(folder, words, **files):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words))
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder / "vocab.txt"


BASE = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ATOMS = [*"CNOFSPIcnos()=#123", "Cl", "Br", "[nH]", "[O-]", "[C@@H]", ">>"]
LETTERS = list("ACDEFGHIKLMNPQRSTVWY")


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (BASE + ATOMS, "smiles"),
        (["[PAD]", "[unused1]", *BASE[1:], *ATOMS], "smiles"),
        (BASE + LETTERS, "residues"),
        (BASE + LETTERS + list("BUXZO"), "residues"),
        (BASE + ATOMS + ["##C"], None),  # of words and their parts
        (BASE + ["cell", "wall", *LETTERS], None),
        (BASE[:3] + ATOMS, None),
        (["<cls>", "<pad>", "<eos>", "<unk>", *LETTERS, *".-", "<null_1>", "<mask>"], "residues"),  # ESM
        (["<cls>", "<pad>", "<eos>", *LETTERS], None),
        (BASE + list("ACGT"), None),
    ],
)
def test_the_words_show_whether_they_are_symbols(tmp_path, words, kind):
    path = word_list(tmp_path, words)
    assert symbols.kind_of(path) == kind
    (tmp_path / "tokenizer.json").write_text("{}")
    assert symbols.kind_of(path) is None
    assert symbols.kind_of(path, "residues") == "residues"


def test_what_no_pattern_fits_is_one_unknown_token_per_character(tmp_path):
    words = symbols.tokenizer("smiles", word_list(tmp_path, BASE + ATOMS))
    assert words.tokenize(" CCl\n") == ["C", "Cl"]
    assert words.tokenize("C x%12[Zz]C") == ["C", *["[UNK]"] * 4, "C"]
    assert words("[CLS]C", split_special_tokens=True)["input_ids"].count(words.cls_token_id) == 1
    words = symbols.tokenizer("residues", word_list(tmp_path, BASE + LETTERS))
    assert words.tokenize("E V\nQ") == words.tokenize("EVQ") == ["E", "V", "Q"]
    assert words.tokenize("Ev-Q") == ["E", "[UNK]", "[UNK]", "Q"]


def bert(folder, words, **files):
    """A tiny BERT with a word list; its folder."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = BertConfig(vocab_size=len(words), max_position_embeddings=16, **sizes)
    word_list(folder, words, config__json=json.dumps(config.to_dict()), **files)
    torch.save(BertModel(config).state_dict(), folder / "pytorch_model.bin")
    return folder


def fetched(tmp_path, source, **entry):
    entry = {"library": "transformers", "source": {"path": str(source)}, **entry}
    fetch_backbone("x", entry, tmp_path / "out/x", tmp_path / "lock.json")
    return tmp_path / "out/x"


def test_the_tokenizer_is_kept_as_one_that_transformers_reads_and_the_source_is_left_alone(tmp_path):
    source = bert(tmp_path / "mine", BASE + ATOMS)
    folder = fetched(tmp_path, source)
    assert {path.name for path in folder.iterdir()} >= {"tokenizer.json", "tokenizer_config.json"}
    assert not (folder / "vocab.txt").exists()
    assert sorted(path.name for path in source.iterdir()) == ["config.json", "pytorch_model.bin", "vocab.txt"]
    spec, words = read_json(folder / "backbone.json"), backbones.tokenizer(folder)
    assert spec["preprocessing"]["tokenizer"].startswith("smiles ")
    assert words.tokenize("C[nH]Cl") == ["C", "[nH]", "Cl"] and words.pad_token == "[PAD]"
    (folder / "backbone.json").unlink()  # as in an exported model's folder
    assert backbones.tokenizer(folder, spec).tokenize("C[nH]Cl") == ["C", "[nH]", "Cl"]


def test_the_digest_of_the_tokenizer_follows_its_words(tmp_path):
    names = [BASE + ATOMS, BASE + ATOMS[::-1], BASE + ATOMS]
    found = [fetched(tmp_path / str(i), bert(tmp_path / f"mine{i}", words)) for i, words in enumerate(names)]
    digests = [read_json(folder / "backbone.json")["preprocessing"]["tokenizer"] for folder in found]
    assert digests[0] == digests[2] != digests[1]


def test_a_word_list_above_the_networks_folder_is_found_inside_the_source_alone(tmp_path):
    bert(tmp_path / "source/small", BASE + LETTERS)
    (tmp_path / "source/small/vocab.txt").rename(tmp_path / "source/vocab.txt")
    assert backbones.tokenizer(fetched(tmp_path, tmp_path / "source")).tokenize("EV") == ["E", "V"]
    with pytest.raises(
        UserError, match="`tokenizer: residues` makes a tokenizer from vocab.txt, and the source holds none"
    ):
        fetched(tmp_path / "again", tmp_path / "source/small", tokenizer="residues")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (BASE[:2] + ATOMS, r"lacks \[CLS\], \[SEP\]"),
        ([*BASE, "C", "N", "C"], "has twice C"),
        ([*BASE, "\udcff"], "no text"),
    ],
)
def test_a_list_that_gives_no_tokenizer_is_refused(tmp_path, words, says):
    source = bert(tmp_path / "mine", BASE)
    (source / "vocab.txt").write_bytes("\n".join(words).encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=says):
        fetched(tmp_path, source, tokenizer="smiles")
