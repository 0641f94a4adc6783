"""Embeddings of texts that are not samples, such as descriptions of classes, kept in the store like those of samples."""

from collections import Counter
from types import SimpleNamespace

from graft.common.device import choose_precision
from graft.data.contents import digest_of_content
from graft.embedding.engines import open_engine
from graft.embedding.engines.verdicts import FEW
from graft.embedding.features import forward, table_of
from graft.embedding.input_batches import Inputs, padded, token_rows
from graft.networks.words import words_of


class GivenTexts(Inputs):
    """Texts as inputs of a network (see input_batches); `padding` "max_length" fills each up to the longest that it reads."""

    def __init__(self, texts, folder, settings):
        self.tokenizer = words_of(folder)
        self.rows = token_rows(self.tokenizer, texts, settings["max_length"])
        self.lengths = self.rows[:, 0].astype("int64")
        self.longest = settings["max_length"] if settings.get("padding") == "max_length" else None

    def arrays(self, indices):
        return padded(self.rows[indices], self.tokenizer.pad_token_id or 0, self.longest)


def embed_texts(texts, encoder, store, precision="auto", device=None, engine="torch", threads=1):
    """Embeddings of texts by a frozen encoder; what the store has of them is not computed.

    Parameters
    ----------
    texts : list of str
    encoder : SimpleNamespace with spec, folder, weights and network() -> Module: `features.pretrained`, or
        `backbones.text_tower`
    store : Store
    precision, device, engine, threads : as for `features.embed_blocks`

    Returns
    -------
    float32 array, shape (n, width), and how many texts were forwarded
    """

    def given(some):
        return GivenTexts(some, encoder.folder, encoder.spec["preprocessing"])

    engine = open_engine(
        encoder,
        store,
        lambda: given(texts[:FEW]),
        len(texts),
        engine=engine,
        precision=choose_precision(precision, device),
        device=device,
        threads=threads,
    )
    table = table_of(SimpleNamespace(card=None), encoder, store, engine.made_by)
    contents = [digest_of_content(text, "text") for text in texts]
    text_of = dict(zip(contents, texts, strict=True))
    wanted, done = table.missing(contents), Counter()
    if wanted:
        values, done = forward(engine, given([text_of[content] for content in wanted]))
        table.append(wanted, values)
    return table.read(contents), done.get("forwards", 0)
