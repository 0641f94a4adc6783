"""The embeddings of both domains get the same covariance (deep CORAL, Sun and Saenko 2016)."""

import torch

CLASSES_ONLY = False
SOURCE_FREE = False


class Objective(torch.nn.Module):
    """|C_s - C_t|_F^2 / (4 width^2) of the batch's covariances (eq. 1 to 3); 0 where a domain has one row, which has none."""

    def __init__(self, sizes, settings):
        super().__init__()

    def forward(self, pair, progress):
        if min(len(pair.source_embeddings), len(pair.target_embeddings)) < 2:
            return 0 * pair.target_embeddings.sum()
        source, target = covariance(pair.source_embeddings), covariance(pair.target_embeddings)
        return (source - target).square().sum() / (4 * len(source) ** 2)


def covariance(rows):
    """As torch.cov of the columns of (n, width), which looks at its number of rows and makes a GPU wait."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)
