"""`linear` on labelled embeddings aligned with the pool's: for a new instrument or site (CORAL, Sun et al. 2016).

Correlation alignment (Sun, Feng and Saenko 2016, algorithm 1): the embeddings of the labelled rows (the source domain)
get the means and the covariance of those of the pool (the target domain: rows without a label, such as a new
instrument's or site's), and the head is solved on these. It acts on the target's embeddings as they are.

Train and validation rows are of the source: the L2 and the temperature are chosen on aligned rows, and heads that contain
the alignment predict them, the out-of-fold ones train rows, a copy of the model's own the validation rows. Give test rows of
the target domain, by your split column: they, like all rows that are predicted, are taken as they are. Test rows that were
drawn from the labelled rows are of the source, and have no metrics (see predict).
"""

import logging
from dataclasses import replace

import torch

from graft.adaptation.domains import Domains
from graft.adaptation.methods import coral
from graft.common.errors import UserError
from graft.heads.probe import VALIDATION

USES_FEATURES = True
USES_POOL = True
FROZEN = True

logger = logging.getLogger("graft")


def train(trainer):
    """Align the train and validation embeddings with the pool's, then solve the linear probe on them."""
    data = trainer.data
    if data.pool is None or len(data.pool_embeddings) < 2:
        raise UserError(
            "the data set has no pool, and coral aligns the labelled rows with one",
            where=data.settings["name"],
            allowed="at least 2 rows without a label, of the domain that the model is for",
            hint="add rows of the new instrument or site without labels; without a new domain use `method: linear`",
        )
    source, target = torch.from_numpy(data.embeddings), torch.from_numpy(data.pool_embeddings)
    maps = coral.maps(Domains.of(source[data.places("train")], target, data.dead), data.settings)
    logger.info("aligning %d labelled rows with the %d of the pool", len(source), len(target))
    # The temperature, too, is fitted on aligned rows, so that it suits rows of the target domain.
    trained = trainer.probe(embeddings=maps.source.of(source).numpy(), unit=maps.unit)
    heads = {name: _with_own(trained, name) for name in data.targets}
    for head in heads.values():
        head["weight"], head["bias"] = (part.float() for part in maps.source.before(head["weight"], head["bias"]))
    return replace(trained, fold_heads=heads)


def _with_own(trained, target):
    """The heads of a target's folds, and before them the model's own as the one that predicts validation rows."""
    own, found = trained.network.heads[target], trained.fold_heads.get(target)
    heads = {
        "folds": torch.tensor([VALIDATION]),
        "weight": own.weight.detach().cpu()[None],
        "bias": own.bias.detach().cpu()[None],
    }
    return {key: torch.cat([one, found[key]]) if found else one for key, one in heads.items()}
