"""Tokens that a tokenizer's vocabulary lacks: a network reads them all as one and the same, [UNK]."""

import logging

import numpy as np

from graft.common.errors import UserError
from graft.networks.symbols import PATTERNS

logger = logging.getLogger("graft")
MOST = 0.5  # of a text's tokens, and of the texts: beyond it, they are of another kind than the network's
SHOWN = 3
MEANT = {"smiles": "SMILES, such as CC(=O)O", "residues": "proteins, one capital letter per residue, such as EVQLVESGG"}


def count_unknown(words, ids):
    """How many tokens of each text are unknown, and how many are its own ([CLS] and the like left out).

    Parameters
    ----------
    words : the tokenizer
    ids : list of lists of token ids, one per text

    Returns
    -------
    unknown, own : arrays of int64, shape (texts,)
    """
    empty = words("")["input_ids"]
    added, ends = empty.count(words.unk_token_id), len(empty)
    unknown = np.array([one.count(words.unk_token_id) - added for one in ids], np.int64)
    return unknown.clip(min=0), np.array([max(0, len(one) - ends) for one in ids], np.int64)


def facts_of(words, texts, rows, unknown, own):
    """Of texts with unknown tokens: how many, how many are mostly unknown, and some of these tokens with their places.

    Parameters
    ----------
    texts : list of str
    rows : DataFrame with path and row, of the texts
    unknown, own : what `count_unknown` gave for them

    Returns
    -------
    dict with texts and mostly (numbers of texts), tokens (a number) and examples (list of str: 'H' in a.csv, row 3)
    """
    mostly = unknown > MOST * own
    some = [*np.flatnonzero(mostly), *np.flatnonzero((unknown > 0) & ~mostly)][:SHOWN]
    return {
        "texts": int((unknown > 0).sum()),
        "mostly": int(mostly.sum()),
        "tokens": int(unknown.sum()),
        "examples": [f"{_first(words, texts[i])} in {_place(rows.iloc[i])}" for i in some],
    }


def look(words, texts, rows, ids, spec):
    """Say how many of the texts have unknown tokens; refuse texts of another kind.

    Parameters
    ----------
    ids : list of lists of token ids, one per text; a text may have been cut
    spec : dict, backbone.json

    Raises
    ------
    UserError
        If a network of symbols (SMILES, residues) gets texts of which more than half are mostly unknown.
    """
    unknown, own = count_unknown(words, ids)
    if not unknown.any():
        return
    found = facts_of(words, texts, rows, unknown, own)
    kind, such_as = spec["preprocessing"]["tokenizer"].split()[0], "; ".join(found["examples"])
    if kind in PATTERNS and found["mostly"] > MOST * len(texts):
        raise UserError(
            f"{found['mostly']} of {len(texts)} texts are mostly unknown to the vocabulary of '{spec['name']}': {such_as}",
            where="the column of texts",
            allowed=MEANT[kind],
            hint="name the column that holds them in `columns: {text: ..}`, or take a backbone for such texts",
        )
    said = "%d of %d texts have tokens that the vocabulary of '%s' lacks (%d are mostly unknown): %s"
    logger.warning(said, found["texts"], len(texts), spec["name"], found["mostly"], such_as)


def _first(words, text):
    """The first unknown token of a text, as the text spells it."""
    if not words.is_fast:
        return "a token"
    pieces = words(text, return_offsets_mapping=True, split_special_tokens=True, verbose=False)
    spans = zip(pieces["input_ids"], pieces["offset_mapping"], strict=True)
    return next(
        (f"'{text[start:end]}'" for one, (start, end) in spans if one == words.unk_token_id and end > start), "a token"
    )


def _place(row):
    return row["path"] if row["row"] < 0 else f"{row['path']}, row {row['row'] + 1}"
