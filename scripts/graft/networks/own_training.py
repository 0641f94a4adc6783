"""The network inside a checkpoint of somebody's own training: what the training wrapped around it is taken off, and said."""

import difflib
import logging
import re
from collections import Counter

from graft.common.errors import UserError, UserErrors

logger = logging.getLogger("graft")
# Parts at the top that trainings add and an embedding does without, if the architecture has none of that name.
ADDED = re.compile(
    r"(head|fc|classifier|cls|pooler|proj|predict|decoder|lm_|qa_|last_linear|aux|loss|criterion|mask_token)"
)
SHOWN = 5
# Share of the tensors that fit, of another architecture of the family. With more it is the same one, damaged.
RELATED = (0.05, 0.9)
NEAREST = 12  # architectures that such a checkpoint is held against: each takes up to a second


def network_in(state, full, head=frozenset()):
    """The tensors of the network itself.

    Parameters
    ----------
    state : dict of str to Tensor, the checkpoint
    full : dict of str to Tensor, the state dict of the architecture, with or without its classifier
    head : set of str, the classifier's names in `full`

    Returns
    -------
    dict of str to Tensor, under names without the prefix (`module.backbone.`) with which most of the network's names are
    found; without other parts, and without heads that the architecture does not have

    Raises
    ------
    UserError
        If the whole network is there under several prefixes, such as those of a student and its teacher.
    """
    prefix = _prefix(state, {name for name in full if name not in head and not name.endswith("num_batches_tracked")})
    inside = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    kept = {name: tensor for name, tensor in inside.items() if name in full or not _is_added(name, full, head)}
    left = [name for name in state if not name.startswith(prefix) or name.removeprefix(prefix) not in kept]
    left += [prefix + name for name in kept if name in head]
    if prefix:
        logger.info("the prefix '%s' of the checkpoint's names is taken off", prefix)
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        shown = ", ".join(f"{name} {tuple(state[name].shape)}" for name in left[:SHOWN])
        logger.info("left out of the checkpoint, as no part of the embedding: %s%s", shown, more)
    return kept


def _prefix(state, names):
    found = Counter()
    for key in state:
        parts = key.split(".")
        found.update(".".join([*parts[:cut], ""]) for cut in range(len(parts)) if ".".join(parts[cut:]) in names)
    whole = sorted(prefix for prefix, count in found.items() if count == len(names))
    if len(whole) > 1 and "" not in whole:
        raise UserError(
            f"the checkpoint holds the network {len(whole)} times, under {', '.join(whole[:SHOWN])}",
            hint=f"save the one to take alone: those tensors whose names begin with {whole[0]}",
        )
    return min(found, key=lambda prefix: (-found[prefix], len(prefix), prefix), default="")


def _is_added(name, full, head):
    """Whether a tensor that the architecture lacks is of a head: below its own, or a part at the top with a head's name."""
    top = name.partition(".")[0]
    below = any(name.startswith(f"{one.rpartition('.')[0]}.") for one in head)
    return below or (bool(ADDED.match(top)) and all(other.partition(".")[0] != top for other in full))


def naming(error, state, full, others):
    """The errors of a checkpoint that does not fit, and the architecture that it does fit, if it is one of a few relatives.

    Parameters
    ----------
    error : UserErrors
    full : dict, the state dict of the architecture that it does not fit
    others : function that gives an iterable of (name, full, head), as for `network_in`; tensors may be on the device "meta"
    """
    share = sum(name in state and state[name].shape == one.shape for name, one in full.items()) / len(full)
    if not RELATED[0] <= share <= RELATED[1]:
        return error
    for name, whole, head in others():
        wanted = [one for one in whole if one not in head and not one.endswith("num_batches_tracked")]
        fits = all(one in state and state[one].shape == whole[one].shape for one in wanted)
        if wanted and fits and all(one in whole or _is_added(one, whole, head) for one in state):
            found = UserError(f"its tensors are those of {name}", hint=f"write `architecture: {name}`")
            return UserErrors([*error.errors, found])
    return error


def relatives(name, known):
    """Architectures with similar names: those that differ in numbers alone first (resnet34 for resnet50)."""
    same = [other for other in known if re.sub(r"\d+", "", other) == re.sub(r"\d+", "", name)]
    close = difflib.get_close_matches(name, known, n=NEAREST, cutoff=0.5)
    return [other for other in dict.fromkeys([*same, *close]) if other != name][:NEAREST]
