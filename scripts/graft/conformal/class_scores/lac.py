"""One minus the probability of the class: the smallest sets on average (Sadinle, Lei and Wasserman 2019)."""


def score(chances, samples):
    """1 - p, eq. 4."""
    return 1 - chances
