"""The tokenizer of a fetched backbone without transformers, whose import loads torch: what OpenVINO runs needs neither.

`fetch_backbone` keeps it in words.json, as the library `tokenizers` writes it. Folders of earlier versions lack the file: there
transformers reads the tokenizer's own files.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

FILE = "words.json"
KEPT = ("pad_token_id", "unk_token_id", "size", "truncation_side")


class Words:
    """Of a tokenizer of transformers what texts are cut with: `words(texts, ..)["input_ids"]`, its length, and the ids of two tokens."""

    is_fast = True

    def __init__(self, facts):
        self.pad_token_id, self.unk_token_id, self.size, self.cut_at = (facts[key] for key in KEPT)
        self._cut = Tokenizer.from_str(facts["tokenizer"])
        self._cut.no_padding()

    def __len__(self):
        return self.size

    def __call__(
        self, texts, truncation=False, max_length=None, split_special_tokens=False, return_offsets_mapping=False, **_
    ):
        if truncation:
            self._cut.enable_truncation(max_length, direction=self.cut_at)
        else:
            self._cut.no_truncation()
        self._cut.encode_special_tokens = split_special_tokens
        if isinstance(texts, str):
            one = self._cut.encode(texts)
            return {"input_ids": one.ids, **({"offset_mapping": one.offsets} if return_offsets_mapping else {})}
        return {"input_ids": [one.ids for one in self._cut.encode_batch(texts)]}


def facts_of(words):
    """What words.json holds of a tokenizer of transformers, as bytes; None of one that is written in Python."""
    if not words.is_fast:
        return None
    facts = [words.pad_token_id, words.unk_token_id, len(words), words.truncation_side]
    return json.dumps({**dict(zip(KEPT, facts, strict=True)), "tokenizer": words.backend_tokenizer.to_str()}).encode()


def words_of(folder, spec=None):
    """The tokenizer of a backbone: Words, or that of transformers where the folder has no words.json. `spec` is backbone.json."""
    path = Path(folder) / FILE
    if path.is_file():
        return Words(json.loads(path.read_text(encoding="utf-8")))
    from graft.networks.backbones import tokenizer

    return tokenizer(folder, spec)
