"""Frozen or trainable networks that turn an input into one embedding.

One file per library, found by its name. Each has

* `MODALITY`: what it takes, "image", "text" or "vector",
* `describe(entry, folder) -> dict`: what backbone.json says of a backbone (preprocessing from the library's own
  metadata where the config is silent); `folder` holds the fetched files,
* `build(spec, folder=None) -> Module`: the network without its classifier, untrained; a library of text networks also
  takes `attention_dropout=False`, whether training drops attention weights as the network's config says,
* `take(state, spec, order) -> dict`: the tensors of a checkpoint that this network needs, strictly,
* `example(spec) -> inputs`: one input, to try the network with,
* `head(state, spec, order) -> dict`, if it has one: the tensors of a checkpoint beside that network, which zero-shot methods
  read: the classifier of ImageNet (of a library with `CLASSIFIER`), the classifier of pairs of texts, or the tower for
  texts (of a library with `TEXT_TOWER`); empty if the checkpoint has none.
"""

from pathlib import Path
from types import SimpleNamespace

import torch

from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import read_json, sha256_of_file
from graft.networks.weights import load_strictly

HEAD = "head.safetensors"


def build(spec, folder=None, attention_dropout=False):
    """The architecture of a backbone, untrained, in eval mode.

    Parameters
    ----------
    spec : dict, as in backbone.json
    folder : path, optional, of the backbone's files
    attention_dropout : for texts, whether training drops attention weights as the network's config says; else none are

    Returns
    -------
    Module with forward(inputs) -> Tensor of shape (n, width), `.width`, `.modality` and `.spec`. Inputs are
    images: float32 (n, 3 or spec["bands"], size, size), normalised; text: dict of input_ids and attention_mask, int64 (n, tokens);
    vectors: float32 (n, width).
    """
    options = {"attention_dropout": attention_dropout} if spec["modality"] == "text" else {}
    module = plugins.load("library", spec["library"]).build(spec, folder, **options)
    module.width, module.modality, module.spec = spec.get("width"), spec["modality"], spec
    if spec.get("bands"):
        from graft.networks.bands import take_bands  # here, since it imports timm, which other libraries do without

        take_bands(module, spec["bands"])
    return module.eval()


def load(folder, device="cpu", attention_dropout=False):
    """A fetched backbone with its weights; `attention_dropout` as for `build`.

    Raises
    ------
    UserError
        If the weights are truncated, changed, or not those of the architecture.
    """
    from safetensors import SafetensorError

    folder = Path(folder)
    spec = read_json(folder / "backbone.json")
    module = build(spec, folder, attention_dropout)
    path = folder / spec["weights"]
    try:
        load_strictly(library_module(module), _read_weights(path, spec))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"does not fit {spec['architecture']} ({reason})", where=str(path), hint=_hint(path)) from error
    return module.to(device)


class Stored(torch.nn.Module):
    """A fetched backbone's weights without its architecture: for a network that is saved and never run.

    Its state dict is that of `load(folder)`. The libraries need seconds to be imported, more than a linear probe takes.
    """

    def __init__(self, folder):
        super().__init__()
        folder = Path(folder)
        self.spec = read_json(folder / "backbone.json")
        self.width, self.modality = self.spec["width"], self.spec["modality"]
        tensors = _read_weights(folder / self.spec["weights"], self.spec)
        wrapped = "network." if self.modality == "text" else ""  # see library_module
        self.tensors = {wrapped + name: _widened(tensor) for name, tensor in tensors.items()}

    def state_dict(self, *, destination=None, prefix="", keep_vars=False):
        destination = {} if destination is None else destination
        destination.update({prefix + name: tensor for name, tensor in self.tensors.items()})
        return destination


def load_head(folder):
    """What a fetched backbone's library keeps of the checkpoint beside the network; {} if that is nothing."""
    spec = read_json(Path(folder) / "backbone.json")
    return _read_file(Path(folder) / HEAD, spec["head_sha256"]) if spec.get("head_sha256") else {}


def load_pair_classifier(folder):
    """The classifier of pairs of texts of a fetched backbone, in eval mode; None if its checkpoint has none."""
    folder = Path(folder)
    spec, head = read_json(folder / "backbone.json"), load_head(folder)
    encoder = _read_weights(folder / spec["weights"], spec) if head else None
    return plugins.load("library", "transformers").pair_classifier(spec, encoder, head) if head else None


def text_tower(folder):
    """The tower for texts of a fetched image backbone, as `features.embed_texts` takes it: spec, folder, weights, network()."""
    folder = Path(folder)
    spec = read_json(folder / "backbone.json")
    library = plugins.load("library", spec["library"])
    return SimpleNamespace(
        spec={"modality": "text", "width": spec["width"], "preprocessing": spec["text"]},
        folder=folder,
        weights=spec["head_sha256"],
        network=lambda: library.text_tower(spec, load_head(folder)),
    )


def tower_logits(folder, images, texts):
    """How well images and texts fit, as the library of a backbone with two towers says; float64, shape (n, m)."""
    spec = read_json(Path(folder) / "backbone.json")
    return plugins.load("library", spec["library"]).logits(images, texts, spec, load_head(folder))


def _read_weights(path, spec):
    return _read_file(path, spec["weights_sha256"])


def _read_file(path, digest):
    from safetensors.torch import load_file

    if not path.is_file() or sha256_of_file(path) != digest:
        raise UserError("is not the file that was fetched", where=str(path), hint=_hint(path))
    return load_file(path)


def _widened(tensor):
    return tensor.float() if tensor.is_floating_point() else tensor


def _hint(path):
    return f"the file was cut off or changed: delete {path.parent} and run the workflow again"


def tokenizer(folder, spec=None):
    """The tokenizer of a fetched text backbone, with a pad token.

    `spec` is backbone.json. An exported model's folder lacks that file, and its config.json is graft's: there the spec
    tells transformers which tokenizer this is.
    """
    transformers = plugins.load("library", "transformers")
    alone = spec is not None and not (Path(folder) / "backbone.json").is_file()
    return transformers.tokenizer(folder, transformers.make_config(spec["config"]) if alone else None)


def longest_input(spec):
    """How many tokens the network of a text backbone (backbone.json) can read, at any setting; None: any number."""
    return plugins.load("library", "transformers").longest_input(spec)


def library_module(module):
    """The library's own module, whose state dict has the library's own names (a text backbone wraps it)."""
    return getattr(module, "network", module) if module.modality == "text" else module


def chosen(entry, defaults):
    """`defaults` with what the config says put over them."""
    return {key: default if entry.get(key) is None else entry[key] for key, default in defaults.items()}


def image_preprocessing(entry, defaults):
    """The preprocessing of an image backbone, from the config's entry and the library's metadata."""
    size = entry.get("input_size") or defaults["size"]
    result = {"size": size, **chosen(entry, {key: value for key, value in defaults.items() if key != "size"})}
    for key in ("mean", "std"):
        values = result[key] if isinstance(result[key], list | tuple) else [result[key]] * 3
        result[key] = [float(value) for value in values]
    return result
