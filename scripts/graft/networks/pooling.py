"""From the vectors of a text's tokens to one vector, as sentence-transformers does it and writes it down beside weights."""

import logging

import torch

from graft.common.errors import UserError
from graft.common.outputs import read_json

logger = logging.getLogger("graft")

# As sentence-transformers orders them where it strings several together, and the keys of its older files.
KEYS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
WITHOUT_EFFECT = ("Dropout",)  # modules that do nothing when a text is embedded


def pool(hidden, mask, pooling):
    """One vector per text from its tokens' vectors, padding left out.

    Parameters
    ----------
    hidden : Tensor, shape (n, tokens, width)
    mask : Tensor, shape (n, tokens), 1 for tokens and 0 for padding
    pooling : a key of KEYS, or a list of them, whose vectors are one after the other
        'cls' is the first token; 'lasttoken' the last; 'mean_sqrt_len' the sum divided by the root of the number of
        tokens; 'weightedmean' the mean in which the k-th token counts k times (Muennighoff 2022, sec. 3.1).

    Returns
    -------
    Tensor, shape (n, width), or (n, k * width) for k poolings
    """
    if not isinstance(pooling, str):
        return torch.cat([pool(hidden, mask, one) for one in pooling], dim=1)
    every = torch.arange(len(hidden), device=hidden.device)
    if pooling == "cls":
        return hidden[every, mask.argmax(dim=1)]
    if pooling == "lasttoken":
        return hidden[every, mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)]
    if pooling == "max":
        return hidden.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(dim=1)
    weight = mask * mask.cumsum(dim=1) if pooling == "weightedmean" else mask
    total = weight.sum(dim=1, keepdim=True).clamp(min=1)
    summed = (hidden * weight.unsqueeze(-1)).sum(dim=1)
    return summed / (total.sqrt() if pooling == "mean_sqrt_len" else total)


def said_beside(home, pooling=None):
    """What sentence-transformers' files beside the weights say.

    Parameters
    ----------
    home : Path of the network's folder: modules.json is there, or in the folder above
    pooling : the config's own, with which modules that graft does not have are left out instead of refused

    Returns
    -------
    dict with "pooling" (str, or a list where there are several; 'mean' where nothing is said) and "normalize" (bool)

    Raises
    ------
    UserError
        For modules and poolings that graft does not know, each by name.
    """
    root = next((place for place in (home, home.parent) if (place / "modules.json").is_file()), None)
    steps = read_json(root / "modules.json") if root else [{}, {"type": "Pooling", "path": "1_Pooling"}]
    kinds = [str(step.get("type", "")).rpartition(".")[2] for step in steps]
    odd = [kind for kind in kinds[1:] if kind not in ("Pooling", "Normalize", *WITHOUT_EFFECT)]
    if odd and pooling is None:
        raise UserError(
            f"the model makes its embeddings with {', '.join(odd)}, which graft does not have",
            where=str(root / "modules.json"),
            allowed="a network, then Pooling and Normalize",
            hint="to take the network without, write `pooling: mean` (or another) in the backbone's entry",
        )
    if odd:
        logger.info("%s of modules.json left out, since the config says `pooling: %s`", ", ".join(odd), pooling)
    paths = [str(step.get("path", "")) for step, kind in zip(steps, kinds, strict=True) if kind == "Pooling"]
    files = [(root or home) / path / "config.json" for path in paths]
    found = pooling or next((_pooling_of(path) for path in files if path.is_file()), "mean")
    return {"pooling": found, "normalize": "Normalize" in kinds}


def _pooling_of(path):
    """The pooling of a Pooling module's config.json, in the newer form (one key) or the older (a key for each)."""
    facts = read_json(path)
    said = facts.get("pooling_mode")
    if said is None:
        said = [name for name, key in KEYS.items() if facts.get(key)]
        said += [
            key for key, on in facts.items() if on and key.startswith("pooling_mode_") and key not in KEYS.values()
        ]
    names = [str(name).lower() for name in ([said] if isinstance(said, str) else said)] or ["mean"]
    names = ["mean_sqrt_len" if name == "mean_sqrt_len_tokens" else name for name in names]
    unknown = [name for name in names if name not in KEYS]
    if unknown:
        raise UserError(
            f"the model pools its tokens by {', '.join(unknown)}, which graft does not know",
            where=str(path),
            allowed=", ".join(KEYS),
            hint="write the one to take as `pooling:` in the backbone's entry",
        )
    return names[0] if len(names) == 1 else names
