"""A linear probe first, then the whole network. So the head does not distort the features at the start (Kumar et al. 2022)."""

USES_FEATURES = True
FROZEN = False


def train(trainer):
    """Start from the solved head, then train backbone and head together."""
    return trainer.fit(trainer.probe())
