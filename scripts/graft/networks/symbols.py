"""Tokenizers of networks that read symbols: of a molecule (SMILES) or of a protein. They are made from vocab.txt alone.

Such networks come with a list of words and with Python code that cuts texts. The code is not needed: one pattern says it.
"""

import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel

from graft.common.errors import UserError

# Of a SMILES: atoms in brackets and without, bonds, branches, rings (Schwaller et al. 2019, Molecular Transformer, with
# rings of three digits as in rxnfp). Of a protein: one letter per residue; blanks between them count for nothing.
PATTERNS = {
    "smiles": r"%\([0-9]{3}\)|\[(?!(?:PAD|UNK|CLS|SEP|MASK)\])[^\]]+\]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|/|:|~|@|\?|>>?|\*|\$|%[0-9]{2}|[0-9]",
    "residues": r"[A-Z.*-]",
}
# What lists call padding, unknown words, and the begin and end of a text: as BERT does, or as ESM does. transformers' own
# tokenizer of ESM takes a whole protein for one unknown word where texts that spell a special token are to be texts.
ENDS = (
    {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<cls>", "eos_token": "<eos>"},
)
NO_SYMBOL = re.compile(r"\[(PAD|UNK|CLS|SEP|MASK|unused[0-9]+)\]|<[a-z]+(_[0-9]+)?>|")
CERTAIN = {"smiles": set("CNOcno()=1"), "residues": set("ACDEFGHIKLMNPQRSTVWY")}  # words that every such list has


def word_list(home, folder):
    """Path of the vocab.txt of the network whose config.json is in `home`: there or above, but inside `folder`; or None."""
    places = [home] if home == Path(folder) else [home, home.parent]
    return next((place / "vocab.txt" for place in places if (place / "vocab.txt").is_file()), None)


def kind_of(path, asked=None):
    """Which pattern cuts the texts of a network: a key of PATTERNS, or None for transformers' own tokenizer.

    Parameters
    ----------
    path : Path of its word list, or None
    asked : the config's `tokenizer`. Without it the words decide, if a tokenizer.json does not: every one is a symbol.
    """
    if asked and path is None:
        raise UserError(
            f"`tokenizer: {asked}` makes a tokenizer from vocab.txt, and the source holds none",
            where="tokenizer",
            hint="without this line, transformers looks for a tokenizer of its own",
        )
    if asked or path is None or (path.parent / "tokenizer.json").is_file():
        return asked
    listed = set(_read(path))
    words = {word for word in listed if not NO_SYMBOL.fullmatch(word)}
    for kind, some in CERTAIN.items():
        if (
            any(listed >= set(ends.values()) for ends in ENDS)
            and words >= some
            and all(re.fullmatch(PATTERNS[kind], word) for word in words)
        ):
            return kind
    return None


def tokenizer(kind, path):
    """A tokenizer that cuts by PATTERNS[kind], with the ids of the word list at `path`: [CLS] symbols [SEP].

    What the pattern does not fit is cut into single characters, so that each of them counts as unknown.
    """
    words = _read(path)
    named = ENDS[1] if set(ENDS[1].values()) <= set(words) else ENDS[0]
    missing = [word for word in named.values() if word not in words]
    twice = [word for word, count in Counter(filter(None, words)).items() if count > 1]
    if missing or twice:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has twice {', '.join(twice[:5])}"
        allowed = f"one word a line, {', '.join(named.values())} among them"
        raise UserError(f"the list of words {wrong}", str(path), allowed, f"is `tokenizer: {kind}` right?")
    ids = {word: number for number, word in enumerate(words) if word}
    cut = Tokenizer(WordLevel(ids, unk_token=named["unk_token"]))
    cut.normalizer = normalizers.Strip()
    pieces = pre_tokenizers.Split(Regex(PATTERNS[kind] + r"|[\s\S]"), behavior="isolated")
    blanks = [pre_tokenizers.WhitespaceSplit()] if kind == "residues" else []
    cut.pre_tokenizer = pre_tokenizers.Sequence([*blanks, pieces])
    _, _, begin, end = named.values()
    special = [(word, ids[word]) for word in (begin, end)]
    cut.post_processor = processors.TemplateProcessing(single=f"{begin} $A {end}", special_tokens=special)
    mask = next((word for word in ("[MASK]", "<mask>") if word in ids), None)
    from transformers import PreTrainedTokenizerFast  # here, since a probe on stored embeddings need not wait for it

    return PreTrainedTokenizerFast(tokenizer_object=cut, mask_token=mask, **named)


def files(words):
    """What transformers reads this tokenizer from, as {file name: bytes}."""
    with TemporaryDirectory() as folder:
        words.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _read(path):
    """The words in their order; the number of its line is a word's id."""
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"is no text in UTF-8 ({error})", where=str(path), hint="fetch or copy it again") from None
