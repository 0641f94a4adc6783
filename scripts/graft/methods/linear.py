"""A linear head on stored embeddings; the backbone stays frozen and is not run (Kornblith et al. 2019)."""

USES_FEATURES = True
FROZEN = True


def train(run):
    """Solve the convex problem for every L2 candidate, keep the best by validation loss."""
    return run.probe()
