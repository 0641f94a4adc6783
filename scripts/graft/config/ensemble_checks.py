"""What is wrong with an ensemble entry: members that nothing trains, or that do not answer the same question."""

from graft.config.entry_checks import unknown_model, unknown_seed
from graft.config.errors import Problem
from graft.config.plan import ancestors


def check_ensembles(config, trained, by_name):
    """Problems of the ensembles among `trained`, (path, model) as plan.models gives them; `by_name`: all models."""
    for path, model in trained:
        if model["stage"] == "ensemble":
            found = [*_member_problems(path, model, by_name, config), *_seed_problems(path, model, by_name)]
            yield from found or _too_few(path, model, by_name)


def _member_problems(path, ensemble, by_name, config):
    first = None
    for position, name in enumerate(ensemble["models"]):
        place, member = (*path, "models", position), by_name.get(name)
        if member is None:
            known = [other for other, one in by_name.items() if one["stage"] != "ensemble"]
            yield from unknown_model(place, name, known, config)
        elif member["stage"] == "ensemble":
            hint = f"name its members: {', '.join(member['models'])}" if member is not ensemble else None
            yield Problem(place, f"'{name}' is an ensemble itself", "models of other stages", hint)
        elif member["stage"] == "adapt":
            what = f"'{name}' predicts the rows of its domain alone, and an ensemble predicts all"
            yield Problem(place, what, "models of finetune or distill")
        elif ensemble["name"] in ancestors(member, by_name):
            yield Problem(place, f"'{name}' learns from this ensemble", "a model that does not need it")
        else:
            first = first or member
            yield from _other_question(place, member, first)


def _other_question(place, member, first):
    """A member whose answers cannot be combined with those of the first."""
    names = f"'{member['name']}' and '{first['name']}'"
    if member["dataset"] != first["dataset"]:
        what = f"{names} are of different data sets, '{member['dataset']}' and '{first['dataset']}'"
        yield Problem(place, what, "models of one data set")
    elif set(member["targets"]) != set(first["targets"]):
        what = f"{names} have different targets, '{_listed(member)}' and '{_listed(first)}', and so different classes"
        yield Problem(place, what, "models of the same targets")


def _listed(model):
    return "', '".join(model["targets"])


def _seed_problems(path, ensemble, by_name):
    for seed in ensemble["member_seeds"] or ():
        for name in ensemble["models"]:
            if name in by_name and by_name[name]["stage"] != "ensemble":
                yield from unknown_seed((*path, "seeds"), seed, name, by_name[name])


def _too_few(path, ensemble, by_name):
    """One model with one seed; silent where the seeds are not known."""
    if len(ensemble["members"]) == 1 and ensemble["models"]:
        member = ensemble["members"][0]
        what = f"'{member['name']}' with seed {member['seed']} alone is no ensemble"
        hint = "name a second model, or give the model's entry several `seeds`"
        yield Problem((*path, "models"), what, "two members or more, a model once for each of its seeds", hint)
