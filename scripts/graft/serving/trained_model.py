"""Where a trained model is, and what is beside it. Nothing heavy is imported: a wrong name is reported at once."""

from dataclasses import dataclass
from pathlib import Path

from graft.common.errors import UserError, did_you_mean

FILE = "ft_model.pt"


def find_model(name, seed=0, results="results"):
    """The ft_model.pt that `name` means: a model's name, or the path of an ft_model.pt or of its folder.

    Raises
    ------
    UserError
        If there is none; with the names and seeds that there are.
    """
    path = Path(name)
    if name and (path.is_file() or (path / FILE).is_file()):
        return path if path.is_file() else path / FILE
    if path.suffix == ".pt" or "/" in name:
        raise UserError("there is no such file", str(path), "the path of an ft_model.pt, or a model's name")
    found = {}
    for model in sorted(Path(results).glob(f"*/*/seed*/{FILE}")):
        found.setdefault(model.parts[-3], {})[model.parts[-2].removeprefix("seed")] = model
    if not found:
        hint = "run the workflow first (make run), or give the path of an ft_model.pt"
        raise UserError("there is no trained model in this folder", str(results), hint=hint)
    if name not in found:
        what = f"there is no trained model '{name}'" if name else "no model is named"
        raise UserError(what, "MODEL", ", ".join(found), did_you_mean(name, found))
    if str(seed) not in found[name]:
        raise UserError(f"'{name}' was not trained with seed {seed}", "SEED", ", ".join(found[name]))
    return found[name][str(seed)]


@dataclass(frozen=True)
class Beside:
    """Paths that belong to a model; None where there is nothing.

    samples : the manifest of its data set, with labels and card beside it
    features : its embeddings of the labelled rows
    backbone : the folder of its backbone, which holds a text model's tokenizer
    store : the folder of the store, where its network may be converted already; it is only read
    """

    samples: Path | None
    features: Path | None
    backbone: Path | None
    store: Path | None = None


def beside(model, content, resources=None):
    """What is in the results folder of a model (its path, and what network.load said) and in the resources folder.

    A model that was taken out of its results folder has nothing beside it.
    """
    model = Path(model).absolute()
    folder, dataset, backbone = model.parent, content["dataset"], content["backbone"]["name"]
    at_home = (folder.name, folder.parent.name) == (f"seed{content['seed']}", content["name"])
    if not at_home or len(model.parents) < 5:
        place = Path(resources or "resources")
        return Beside(None, None, _there(place / "backbones" / backbone), _there(place / "store"))
    results = model.parents[3]
    embedded = backbone if content["frozen"] else f"{content['name']}.seed{content['seed']}"
    # The results of a quick look are one folder deeper than the others.
    places = [resources] if resources else [results.parent / "resources", results.parents[1] / "resources", "resources"]
    folders = [_there(Path(place) / "backbones" / backbone) for place in places]
    stores = [_there(Path(place) / "store") for place in places]
    return Beside(
        samples=_there(results / "data" / dataset / "samples.parquet"),
        features=_there(results / "features" / dataset / embedded / "labelled.parquet"),
        backbone=next((found for found in folders if found), None),
        store=next((found for found in stores if found), None),
    )


def card_of(content, known):
    """What must be known of the data that a model learned from, to read others in the same way.

    Parameters
    ----------
    content : dict of ft_model.pt, or config.json of an exported model
    known : dict, data_card.json of its data set; empty if it is not beside the model

    Returns
    -------
    dict
        A part of data_card.json: dataset, modality, columns (of its table), and image or vector.
    """
    from graft.data.images import image_format  # here, since a wrong name is reported without it

    modality = content["backbone"]["modality"]
    columns = known.get("columns") or content.get("columns") or {}
    card = {"dataset": content["dataset"], "modality": modality, "columns": columns}
    if modality == "vector":
        spec = content["backbone"]
        card["vector"] = {"width": spec["preprocessing"].get("width", spec["width"])}  # before `preprocess`
    elif modality == "image":
        image = content.get("image") or (image_format(known) if known else None)
        if image is None:
            hint = "leave it in its results folder, or run the workflow again"
            raise UserError("the model does not say what numbers its images had", content["name"], None, hint)
        # Which files are taken may change without a training: the card knows it better.
        card["image"] = {"frames": "error"} | image | {k: v for k, v in known.get("image", {}).items() if k == "frames"}
    return card


def _there(path):
    return path if path.exists() else None
