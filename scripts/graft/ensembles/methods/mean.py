"""The mean over all members of their calibrated probabilities, or of their values (Lakshminarayanan et al. 2017, sec. 2.4)."""


def combine(answers):
    """Every member weighs the same; answers (members, n, k)."""
    return answers.mean(axis=0)
