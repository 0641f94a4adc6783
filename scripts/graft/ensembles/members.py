"""ft_model.pt of an ensemble: no network, but which trained models answer, and what their combined answers mean."""

from pathlib import Path

from graft.common.errors import UserError, raise_all
from graft.common.outputs import digest_of, sha256_of
from graft.networks import network

NAME = "ensemble"  # in the place of a backbone's


def content_of(settings, members, facts):
    """The content of ft_model.pt, for `network.load`.

    Parameters
    ----------
    settings : dict, the ensemble's settings in the plan
    members : list of dict, `description` of each
    facts : dict, target -> what makes predictions of the combined answers: its kind and classes, what kinds' `settle` gave
    """
    digests = [one["digest"] for one in members]
    # The members' networks, those with the same weights once; and all heads.
    networks = {one["embeds"]: one["network_parameters"] for one in members}
    parameters = sum(networks.values()) + sum(one["head_parameters"] for one in members)
    return {
        "format": network.FORMAT,
        "name": settings["name"],
        "seed": 0,
        "method": settings["method"],
        "dataset": settings["dataset"],
        "targets": facts,
        "frozen": all(one["frozen"] for one in members),
        "members": members,
        "backbone": {
            "name": NAME,
            "library": None,
            "architecture": NAME,
            "modality": members[0]["modality"],
            "licence": ", ".join(dict.fromkeys(one["licence"] for one in members if one["licence"])) or None,
            "parameters": parameters,
        },
        "state_dict": {},
        "fold_heads": {},
        "digests": {"model": sha256_of(settings["method"], *digests, digest_of(facts))},
    }


def description(path, content):
    """What an ensemble remembers of a member: dict; `path` is that of its ft_model.pt."""
    heads = sum(value.numel() for name, value in content["state_dict"].items() if name.startswith("heads."))
    return {
        "stage": Path(path).parents[2].name,
        "name": content["name"],
        "seed": content["seed"],
        "digest": content["digests"]["model"],
        "embeds": embeds(content),
        "method": content["method"],
        "frozen": content["frozen"],
        "modality": content["backbone"]["modality"],
        "licence": content["backbone"].get("licence"),
        "network_parameters": content["backbone"].get("parameters") or 0,
        "head_parameters": heads,
    }


def embeds(content):
    """The digest of all that a model's embeddings depend on: members that share it need one forward pass."""
    return digest_of([content["digests"]["backbone"], content["transform"]])


def check_alike(members):
    """Refuse members that do not answer the same question; `members` are contents of ft_model.pt.

    Raises
    ------
    UserErrors
        With every member that differs from the first, both names and what differs.
    """
    first, errors = members[0], []
    for one in members[1:]:
        names = f"'{one['name']}' (seed {one['seed']}) and '{first['name']}' (seed {first['seed']})"
        if one["dataset"] != first["dataset"]:
            what = f"{names} are of different data sets, '{one['dataset']}' and '{first['dataset']}'"
            errors.append(UserError(what))
        elif set(one["targets"]) != set(first["targets"]):
            what = f"{names} have different targets, {', '.join(one['targets'])} and {', '.join(first['targets'])}"
            errors.append(UserError(what))
        else:
            errors += [UserError(what, hint=AGAIN) for what in _other_classes(names, one["targets"], first["targets"])]
    raise_all(errors)


AGAIN = "one is older than the labels: delete it and run the workflow again"


def _other_classes(names, own, known):
    for target, facts in known.items():
        for key in ("kind", "classes"):
            if own[target].get(key) != facts.get(key):
                shown = f"{own[target].get(key)} and {facts.get(key)}"
                yield f"{names} have different {'classes' if key == 'classes' else 'kinds'} of target '{target}': {shown}"


def members_of(path, content):
    """The models that answer for a model, one after the other, so that one is in memory at a time.

    Parameters
    ----------
    path : path of its ft_model.pt; its members are in the same results folder
    content : dict, what network.load gave

    Yields
    ------
    path, content : those of each member; of a model that is no ensemble, its own

    Raises
    ------
    UserError
        If a member is not there, or was trained again.
    """
    if "members" not in content:
        yield Path(path), content
        return
    folder = Path(path).absolute().parent
    results = folder.parents[2] if len(folder.parents) > 2 else folder
    for member in content["members"]:
        where = results / member["stage"] / member["name"] / f"seed{member['seed']}" / "ft_model.pt"
        if not where.is_file():
            hint = "leave an ensemble in its results folder, beside its members, or run the workflow again"
            raise UserError(
                f"'{member['name']}', a member of '{content['name']}', is not there", str(where), None, hint
            )
        found = network.load(where)
        if found["digests"]["model"] != member["digest"]:
            what = f"was trained again after '{content['name']}', whose member it is"
            raise UserError(what, str(where), None, "run the workflow again")
        yield where, found
