"""Embeddings of texts that are not samples, such as descriptions of classes, kept in the store like those of samples."""

from collections import Counter
from types import SimpleNamespace

import torch

from graft.common.device import choose_precision
from graft.data.contents import digest_of_content
from graft.embedding.features import forward, table_of
from graft.embedding.input_batches import padded, token_rows
from graft.networks.backbones import tokenizer
from graft.networks.cpu import kernels


class GivenTexts:
    """Texts as inputs of a network (see input_batches); `padding` "max_length" fills each up to the longest that it reads."""

    def __init__(self, texts, folder, settings):
        self.tokenizer = tokenizer(folder)
        self.rows = token_rows(self.tokenizer, texts, settings["max_length"])
        self.lengths = self.rows[:, 0].astype("int64")
        self.longest = settings["max_length"] if settings.get("padding") == "max_length" else None

    def batch(self, indices):
        return padded(self.rows[indices], self.tokenizer.pad_token_id or 0, self.longest)

    def prepare(self, batch, device, views=None):
        return {key: value.to(device) for key, value in batch.items()}


def embed_texts(texts, encoder, store, precision="auto", device=None):
    """Embeddings of texts by a frozen encoder; what the store has of them is not computed.

    Parameters
    ----------
    texts : list of str
    encoder : SimpleNamespace with spec, folder, weights and network() -> Module: `features.pretrained`, or
        `backbones.text_tower`
    store : Store
    precision, device : as for `features.embed_blocks`

    Returns
    -------
    float32 array, shape (n, width), and how many texts were forwarded
    """
    device = device or torch.device("cpu")
    precision = choose_precision(precision, device)
    table = table_of(SimpleNamespace(card=None), encoder, store, precision)
    contents = [digest_of_content(text, "text") for text in texts]
    text_of = dict(zip(contents, texts, strict=True))
    wanted, done = table.missing(contents), Counter()
    if wanted:
        inputs = GivenTexts([text_of[content] for content in wanted], encoder.folder, encoder.spec["preprocessing"])
        network = kernels.place(encoder.network().eval(), device)
        values, done = forward(network, inputs, device, precision)
        table.append(wanted, values)
    return table.read(contents), done.get("forwards", 0)
