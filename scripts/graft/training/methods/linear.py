"""A linear head on stored embeddings. The backbone is frozen and does not run (Kornblith et al. 2019)."""

USES_FEATURES = True
FROZEN = True


def train(trainer):
    """Solve the convex problem for every L2 candidate; the best on rows that its heads did not see, fitted on all."""
    return trainer.probe(refit=True)
