"""Whether a text entails "This example is about ...", by a network for natural language inference (Yin et al. 2019)."""

from graft.common.errors import UserError
from graft.zero_shot.pairs import answers, mean_over_texts

READS = "texts"
NAMED = {"text": ("This example is {}.",)}  # as transformers' own pipeline has it
DESCRIBED = NAMED


def score(task):
    """The logit of entailment; its softmax over the classes is what transformers' zero-shot pipeline gives."""
    return mean_over_texts(answers(task), task, entailment)


def entailment(values, config):
    """The logits, shape (n, labels), at the label that the network's config calls entailment."""
    found = [index for name, index in config.label2id.items() if name.lower().startswith("entail")]
    if len(found) != 1:
        raise UserError(
            f"the network's labels are {', '.join(config.label2id)}: which one means entailment?",
            where="backbone's config.json, label2id",
            allowed="one label that begins with 'entail'",
            hint="take a network that was trained for natural language inference, such as on MNLI",
        )
    return values[:, found[0]]
