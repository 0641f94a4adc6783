"""What an entry with `search` leaves open is filled in here, and what is wrong with it."""

from graft.common import plugins
from graft.config.errors import Problem
from graft.config.plan import VECTORS, as_list, entries, lookup, modality_of

AUGMENTATIONS = ["none", "flip", "dihedral", "standard", "zoom"]


def searching(config):
    """(path, entry) of the entries of finetune with a block `search`."""
    found = entries(config, "finetune")
    return [(("finetune", name), entry) for name, entry in found if isinstance(entry.get("search"), dict)]


def fill_searches(config):
    """Fill in the backbones of searches that name none, and take what an entry itself says as all that is tried.

    Before the defaults are filled in, which an entry does not say. Yields Problems of entries for which there is no backbone.
    """
    for path, entry in searching(config):
        for key in ("method", "lr", "augment"):
            if key in entry and key not in entry["search"]:
                entry["search"][key] = as_list(entry[key])
        if "backbone" not in entry:
            names = {name for dataset in as_list(entry.get("dataset")) for name in _fitting(config, dataset)}
            entry["backbone"] = [name for name in config.get("backbones") or () if name in names] or None
            if entry["backbone"] is None:
                what = "the search tries all backbones of the config that take the data set, and there is none"
                hint = "name one: `backbone: effnet-lite0` for images, `backbone: minilm` for texts; see config/backbones.yaml"
                yield Problem((*path, "backbone"), what, "names of backbones", hint)


def _fitting(config, dataset):
    """The networks of the config that take a data set, as far as it is known what that holds."""
    held = modality_of(lookup(config, "datasets", dataset) or {})
    for name, backbone in entries(config, "backbones"):
        taken = _taken_by(backbone)
        if taken not in (None, "vector") and held in (None, taken):
            yield name


def _taken_by(backbone):
    """The modality that an entry of a backbone takes."""
    return plugins.constant("library", backbone.get("library"), "MODALITY")


def complete_searches(config):
    """Write out what null means in searches: every method; every augmentation for images, none for others."""
    for _, entry in searching(config):
        search = entry["search"]
        networks = [_taken_by(lookup(config, "backbones", name) or {}) for name in as_list(entry.get("backbone"))]
        if search.get("method") is None:
            search["method"] = list(plugins.names("method"))
        if search.get("augment") is None:
            search["augment"] = AUGMENTATIONS if networks and set(networks) == {"image"} else ["none"]


def check_searches(config, trained):
    """Problems of the searches; `trained` is what plan.models gave."""
    for path, entry in searching(config):
        backbones, methods = as_list(entry.get("backbone")), entry["search"]["method"] or []
        frozen = [name for name in methods if plugins.constant("method", name, "FROZEN", False)]
        if methods and len(frozen) == len(methods):
            what = f"{' and '.join(methods)} trains no network, and so leaves nothing to search"
            allowed = ", ".join(name for name in plugins.names("method") if name not in frozen)
            yield Problem((*path, "search", "method"), what, allowed, "or leave `search` out: heads take seconds")
        if entry.get("targets"):
            yield Problem((*path, "targets"), "a search compares models of one target", "target: NAME")
        for key in ("folds", "curve") if frozen else ():
            if entry.get(key):
                what = f"`{key}` trains a network again, and the search may end with {' or '.join(frozen)}, which trains none"
                rest = ", ".join(name for name in methods if name not in frozen)
                yield Problem((*path, key), what, f"search: {{method: [{rest}]}}", "or delete the line")
        for name in backbones:
            if name == VECTORS or lookup(config, "backbones", name, "library") == "vectors":
                what = f"a search trains networks, and '{name}' has none"
                hint = "list several backbones with `method: linear`, without `search`"
                yield Problem((*path, "backbone"), what, "backbones that take images or texts", hint)
        for dataset in as_list(entry.get("dataset")):
            yield from _clashes(path, config, dataset, backbones, entry["search"]["augment"])


def _clashes(path, config, dataset, backbones, augment):
    """Backbones and augmentations that do not suit a data set, as far as it is known what that holds."""
    taken = {name: _taken_by(lookup(config, "backbones", name) or {}) for name in backbones}
    held = modality_of(lookup(config, "datasets", dataset) or {})
    if held is None and len(known := sorted({one for one in taken.values() if one})) > 1:
        what = f"backbones for {'s and '.join(known)}s are tried, and the config does not say what '{dataset}' holds"
        yield Problem((*path, "backbone"), what, f"`modality` of data set '{dataset}': {', '.join(known)}")
    for name, one in taken.items():
        if held and one not in (None, held, "vector"):
            what = f"backbone '{name}' takes {one}s, and data set '{dataset}' holds {held}s"
            yield Problem((*path, "backbone"), what)
    if held in ("text", "vector") and (wrong := [one for one in augment or () if one != "none"]):
        what = f"'{wrong[0]}' changes images, and '{dataset}' holds {held}s"
        yield Problem((*path, "search", "augment"), what, "none")
