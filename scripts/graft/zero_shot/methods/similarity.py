"""Cosine similarity of the stored embedding to the mean embedding of each class's descriptions."""

from graft.networks.backbones import tower_logits
from graft.zero_shot.vectors import cosines

READS = "embeddings"
NAMED = {
    "text": ("{}", "This text is about {}.", "a discussion of {}"),
    "image": ("a photo of {}", "a picture of {}", "an image that shows {}"),
}
DESCRIBED = {"text": ("{}",), "image": ("{}",)}


def score(task):
    """Texts: the cosine. Images: what CLIP's or SigLIP's own scale and bias make of it (Radford et al. 2021, sec. 3.1.2)."""
    classes = task.class_vectors()
    if task.modality == "text":
        return cosines(task.embeddings, classes)
    return tower_logits(task.backbone.folder, task.embeddings, classes)
