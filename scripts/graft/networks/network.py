"""A backbone with one linear head per target, and its way into and out of ft_model.pt."""

import torch
from torch import nn

from graft.common.errors import UserError
from graft.common.outputs import digest_of, sha256_of
from graft.networks import backbones
from graft.networks.weights import load_strictly

FORMAT = 1


class Heads(nn.ModuleDict):
    """One layer per target. A target may have any name: torch's own container refuses those of its attributes (`type`)."""

    def add_module(self, name, module):
        self._modules[name] = module

    def __setattr__(self, name, value):
        # Of the attributes that may be the name of a target, torch sets this one: it would take the layer for it.
        object.__setattr__(self, name, value) if name == "training" else super().__setattr__(name, value)


class Network(nn.Module):
    """A backbone and its heads.

    Parameters
    ----------
    backbone : Module with forward(inputs) -> (n, width), .width and .spec
    outputs : dict, target -> number of outputs (classes, or 1 for regression)
    dropout : float, on the embedding, while training
    """

    def __init__(self, backbone, outputs, dropout=0.0):
        super().__init__()
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        self.heads = Heads({target: nn.Linear(backbone.width, n) for target, n in outputs.items()})

    def forward(self, inputs, with_embedding=False):
        """Logits per target: dict of Tensor, shape (n, outputs); with the embedding (n, width) if asked, else alone."""
        embedding = self.backbone(inputs).float()
        dropped = self.dropout(embedding)
        with torch.autocast(embedding.device.type, enabled=False):  # in bfloat16, two values 0.4 % apart are one
            outputs = {target: head(dropped) for target, head in self.heads.items()}
        return (outputs, embedding) if with_embedding else outputs

    def set_head(self, target, weight, bias):
        """Copy a solved head, shapes (outputs, width) and (outputs,)."""
        with torch.no_grad():
            self.heads[target].weight.copy_(torch.as_tensor(weight))
            self.heads[target].bias.copy_(torch.as_tensor(bias))


def to_dict(network, **facts):
    """The content of ft_model.pt; `facts` are name, seed, method, dataset, targets, fold_heads, frozen, kept_aside (whether half of
    the validation rows chose nothing, see halves), for images image (what images.image_format says of the training data), and for
    tables columns.
    """
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    spec = network.backbone.spec
    embedding = {key[len("backbone.") :]: value for key, value in state.items() if key.startswith("backbone.")}
    weights = spec["weights_sha256"] if facts["frozen"] else weights_digest(embedding)
    return {
        "format": FORMAT,
        **facts,
        "backbone": spec,
        "state_dict": state,
        "transform": spec["preprocessing"],
        "digests": {"backbone": weights, "model": sha256_of(weights_digest(state), digest_of(facts["targets"]))},
    }


def load(path):
    """Read ft_model.pt without executing anything in it; the dict that `to_dict` made."""
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise UserError(f"cannot be read as a graft model: {error}", where=str(path)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError("is not a graft model of a format that this version reads", where=str(path))
    return content


def from_dict(content):
    """The network of a dict that `load` returned, in eval mode."""
    backbone = backbones.build(content["backbone"])
    network = Network(backbone, heads_of(content["state_dict"]))
    load_strictly(network, content["state_dict"])
    return network.eval()


def heads_of(state):
    """The number of outputs of each target of a network's state dict, whose keys are heads.TARGET.weight and .bias."""
    keys = {key: key.split(".") for key in state}
    return {
        parts[1]: state[key].shape[0] for key, parts in keys.items() if parts[0] == "heads" and parts[2] == "weight"
    }


def weights_digest(state):
    """Hex sha256 over the names, shapes, types and values of a state dict."""
    parts = []
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        parts += [f"{key} {tuple(tensor.shape)} {tensor.dtype}", tensor.view(-1).view(torch.uint8).numpy().tobytes()]
    return sha256_of(*parts)
