"""From a backbone's fetched files to one safetensors file without classifier, and the facts of backbone.json."""

import torch
from safetensors.torch import save

from graft.common import plugins
from graft.common.errors import UserError
from graft.networks import backbones, weights
from graft.networks.words import FILE, facts_of


def convert(entry, folder):
    """Describe a backbone and bring its weights into the one form that graft reads.

    Parameters
    ----------
    entry : dict, the backbone's entry of the config
    folder : Path of its fetched files; nothing is needed there for random weights of an image backbone

    Returns
    -------
    spec : dict, for backbone.json
    data : bytes of model.safetensors
    head : bytes of head.safetensors, what the library's `head` keeps of the checkpoint; None if that is nothing
    beside : dict, file name -> bytes, to keep beside it (the tokenizer's)
    """
    library, source = plugins.load("library", entry["library"]), entry.get("source") or {}
    spec = {"library": entry["library"], **library.describe(entry, folder)}
    seed = source.get("seed") or 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = backbones.build(spec)
    inner, head = backbones.library_module(network), {}
    if source and not source.get("random"):
        state, order = weights.read_checkpoint(weights.find_weights(folder)), entry.get("match") == "order"
        weights.load_strictly(inner, library.take(state, spec, order))
        head = library.head(state, spec, order) if hasattr(library, "head") else {}
    state = {name: tensor.detach().clone().contiguous() for name, tensor in inner.state_dict().items()}
    head = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in head.items()}
    weights.refuse_unusable(state | head, where=str(folder))
    spec["width"] = None if entry["library"] == "vectors" else measure_width(network, library.example(spec))
    spec["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    if spec["modality"] == "text":
        library.refuse_blind(network)
    beside = library.beside(entry, folder) if hasattr(library, "beside") else {}
    if hasattr(library, "words") and (facts := facts_of(library.words(entry, folder))):
        beside[FILE] = facts
    return spec, save(state), save(head) if head else None, beside


@torch.no_grad()
def measure_width(network, example):
    """Width of the embedding that the network gives for one input."""
    settings = network.spec["preprocessing"]
    try:
        embedding = network(example)
    except (RuntimeError, IndexError, AssertionError, ValueError) as error:
        size = settings.get("size") or settings.get("max_length")
        raise UserError(
            f"{network.spec['architecture']} cannot take inputs of {size} ({' '.join(str(error).split())[:200]})",
            where="input_size" if "size" in settings else "max_length",
        ) from error
    if not torch.is_tensor(embedding) or embedding.ndim != 2:
        raise UserError(f"{network.spec['architecture']} gives no single embedding per input", where="architecture")
    return embedding.shape[1]
