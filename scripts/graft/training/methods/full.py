"""Trains the whole network from the pretrained weights, with a new head (Yosinski et al. 2014)."""

USES_FEATURES = False
FROZEN = False


def train(trainer):
    """Train backbone and head together."""
    return trainer.fit()
