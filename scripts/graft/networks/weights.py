"""Reading checkpoints without executing anything in them, and fitting their tensors to a network strictly."""

import pickle
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from graft.common.errors import UserError, first_line, raise_all
from graft.common.outputs import read_json

WRAPPERS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema")  # where training scripts put it
PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
PATTERNS = (
    ("model.safetensors.index.json", "pytorch_model.bin.index.json"),
    ("*.safetensors",),
    ("*.bin", "*.pth", "*.pt", "*.ckpt", "*.pth.tar"),
)
SHOWN = 5
DEPTH = 3  # wrappers in wrappers


def find_weights(folder):
    """The weight files under `folder`: the shards of an index, else one safetensors file, else one torch file.

    Returns
    -------
    list of Path

    Raises
    ------
    UserError
        If there is none, or several between which nothing decides.
    """
    for patterns in PATTERNS:
        found = [path for pattern in patterns for path in Path(folder).rglob(pattern) if path.is_file()]
        nearest = min((len(path.parts) for path in found), default=0)
        found = sorted(path for path in found if len(path.parts) == nearest)
        usual = [path for path in found if path.stem in ("model", "pytorch_model")]
        if len(found) > 1 and len(usual) != 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found[:SHOWN])
            raise UserError(f"several weight files: {names}", hint="name the one to take in source.files")
        if found and patterns is PATTERNS[0]:
            return _shards((usual or found)[0])
        if found:
            return (usual or found)[:1]
    raise UserError("the source holds no weights", allowed="a .safetensors, .bin, .pth, .pt or .ckpt file")


def _shards(index):
    names = sorted(set(read_json(index)["weight_map"].values()))
    missing = [name for name in names if Path(name).name != name or not (index.parent / name).is_file()]
    raise_all([UserError(f"{index.name} names {name}, which the source lacks") for name in missing])
    return [index.parent / name for name in names]


def read_checkpoint(paths):
    """Tensors of one or several checkpoint files, in the order of the files.

    Wrappers (`{"state_dict": ...}`) and the prefixes `module.` and `_orig_mod.` are removed.

    Returns
    -------
    dict of str to Tensor, on the CPU

    Raises
    ------
    UserError
        If a file is truncated, is no checkpoint, or holds pickled objects other than tensors.
    """
    state = {}
    for path in paths:
        state.update(_read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path))
    for prefix in PREFIXES * 2:
        if state and all(key.startswith(prefix) for key in state):
            state = {key[len(prefix) :]: tensor for key, tensor in state.items()}
    return state


def _read_safetensors(path):
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UserError(
            f"is not a whole safetensors file ({error})", where=str(path), hint="fetch or copy it again"
        ) from error


def _read_torch(path):
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"holds pickled Python objects beside tensors; graft does not run code from data ({first_line(error)})",
            where=str(path),
            allowed="a checkpoint that torch.load(..., weights_only=True) reads, or a .safetensors file",
            hint="where you trust the file, load it once yourself and save its state_dict as safetensors",
        ) from error
    except Exception as error:  # the reader of garbled pickles fails in any way
        raise UserError(
            f"is not a whole checkpoint ({first_line(error)})", where=str(path), hint="fetch or copy it again"
        ) from error
    tensors = _tensors(content)
    if not tensors:
        raise UserError("holds no state dict (names and tensors)", where=str(path))
    return tensors


def _tensors(content):
    """The tensors of what a training saved, unpacked as often as it wrapped them: {"model": {"state_dict": ..}}."""
    for _ in range(DEPTH):
        inner = [
            content[name] for name in WRAPPERS if isinstance(content, dict) and isinstance(content.get(name), dict)
        ]
        content = inner[0] if inner else content
    named = {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}
    for _ in range(DEPTH):
        if any(map(torch.is_tensor, named.values())):
            break
        parts = [(name, part) for name, part in named.items() if isinstance(part, dict)]
        named = {f"{name}.{key}": value for name, part in parts for key, value in part.items()}
    return {name: value for name, value in named.items() if torch.is_tensor(value)}


def take(state, full, head, order=False):
    """The tensors of `state` that the embedding network needs, under the names that it uses.

    Parameters
    ----------
    state : dict of str to Tensor, the checkpoint
    full : dict of str to Tensor, the state dict of the whole network, classifier included
    head : set of str, the classifier's names in `full`; these may have other shapes, or be missing
    order : bool
        Names differ, but tensors are in the same order: assign by position, every shape checked.

    Returns
    -------
    dict of str to Tensor, with exactly the names of `full` that are not in `head`

    Raises
    ------
    UserError
        All missing, extra and wrongly shaped tensors at once.
    """
    if order:
        names = list(full) if len(state) == len(full) else [name for name in full if name not in head]
        if len(state) != len(names):
            raise UserError(
                f"the checkpoint has {len(state)} tensors, the architecture {len(full)}",
                where="backbone's match: order",
                hint=_other_architecture(),
            )
        origin = dict(zip(names, state, strict=True))
        state = dict(zip(names, state.values(), strict=True))
    else:
        origin = {name: name for name in state}
        optional = {name for name in full if name.endswith("num_batches_tracked")}  # absent from old checkpoints
        state = {**{name: full[name] for name in optional}, **state}
    wanted = {name: tensor.shape for name, tensor in full.items() if name not in head}
    errors = [
        *_listed("lacks", [name for name in wanted if name not in state]),
        *_listed("has, and the architecture lacks,", [name for name in state if name not in full]),
        *_listed(
            "has other shapes for",
            [
                f"{origin.get(name, name)} {tuple(state[name].shape)} instead of {tuple(shape)}"
                for name, shape in wanted.items()
                if name in state and state[name].shape != shape
            ],
        ),
    ]
    raise_all(errors)
    return {name: state[name].clone(memory_format=torch.contiguous_format) for name in wanted}


def linear_head(state, full, head, order=False):
    """The last layer of a checkpoint, where it is one linear layer: {"weight", "bias"}, shapes (classes, width), (classes,).

    Parameters are those of `take`. Empty if the checkpoint lacks the layer, or has another than `full`.
    """
    if order:
        state = dict(zip(full, state.values(), strict=True)) if len(state) == len(full) else {}
    found = {name.rpartition(".")[2]: state[name] for name in head if name in state}
    shapes = {name.rpartition(".")[2]: full[name].shape for name in head}
    fits = set(shapes) == {"weight", "bias"} and len(head) == 2 and len(shapes["weight"]) == 2
    return found if fits and {name: tensor.shape for name, tensor in found.items()} == shapes else {}


def load_strictly(network, state):
    """network.load_state_dict, telling the network that the state has its own layout's version (MNASNet asks).

    Floats of 16 bits are widened to the network's 32.
    """
    state = OrderedDict(state)
    state._metadata = network.state_dict()._metadata
    network.load_state_dict(state, strict=True)


def refuse_unusable(state, where):
    """Raise for every tensor that holds NaN or infinity."""
    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        raise UserError(
            f"{len(bad)} tensors hold NaN or infinity: {', '.join(bad[:SHOWN])}",
            where=where,
            hint="take another checkpoint",
        )


def _listed(what, names):
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [UserError(f"the checkpoint {what} {', '.join(names[:SHOWN])}{more}", hint=_other_architecture())]


def _other_architecture():
    return "is the checkpoint of this architecture? the head may differ, everything else must fit"
