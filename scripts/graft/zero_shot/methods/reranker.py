"""How well a text answers a class's description as a search query, by a reranking cross-encoder (Nogueira and Cho 2019)."""

from graft.common.errors import UserError
from graft.zero_shot.pairs import answers, mean_over_texts

READS = "texts"
NAMED = {"text": ("{}",)}
DESCRIBED = NAMED


def score(task):
    """The relevance that the network gives the pair (description, text)."""
    return mean_over_texts(answers(task, query_first=True), task, relevance)


def relevance(values, config):
    """The one logit, shape (n,); of two labels, the second minus the first."""
    if values.shape[1] > 2:
        raise UserError(
            f"the network has {values.shape[1]} labels: {', '.join(config.label2id)}",
            where="backbone's config.json, label2id",
            allowed="a reranker, which has one output or two (no, yes)",
            hint="for natural language inference use `method: nli`",
        )
    return values[:, 0] if values.shape[1] == 1 else values[:, 1] - values[:, 0]
