"""Minutes into a list of trials, by a plain rule of cost. Read while a run is planned: the standard library alone.

The search is successive halving (Jamieson and Talwalkar 2016): many settings are trained for few epochs, the better half of
them for twice as many, and so on. Rung 0 are linear probes of all backbones.
"""

import math
from itertools import product

from graft.common import plugins
from graft.common.errors import UserError

START = 8.0  # seconds until a job computes
BACKBONES = 2  # the best of the probes, which are trained
SHARES = (0.25, 0.5, 1.0)  # of the epochs, rung after rung
SEARCHED = ("method", "lr", "augment")
# Samples that are trained in a second, on two cores of a usual server, where `make tune` has measured nothing. The names are
# of architectures or backbones; others are taken to be as slow as the last line of their modality.
TRAINED_PER_S = {
    "tf_efficientnet_lite0": 30.0,
    "tf_efficientnet_lite2": 13.0,
    "efficientnet_b0": 25.0,
    "resnet50": 10.0,
    "minilm": 40.0,
    "rxnmapper": 20.0,
    "rxnfp": 60.0,
    "image": 4.0,
    "text": 8.0,
}
SIDE = {"tf_efficientnet_lite0": 224, "tf_efficientnet_lite2": 260}  # pixels that a rate is of; 224 for others
FORWARD = 3.0  # a forward pass alone is so many times as fast as a step of training
GPU = 30.0  # a GPU is so many times as fast as two cores


def rate_of(name, entry, measured=None, gpus=0):
    """Samples per second that a backbone embeds and trains: dict with embedded_per_s and trained_per_s.

    Parameters
    ----------
    name : str
    entry : dict, the backbone's entry of the config
    measured : dict, what `make tune` wrote for it, or None: then a table and the side of its pictures say it
    gpus : int, of a job
    """
    if measured:
        mode = next(one for one in measured["modes"] if measured["default"].items() <= one.items())
        return {key: mode[key] for key in ("embedded_per_s", "trained_per_s")}
    known = next((one for one in (entry.get("architecture"), name) if one in TRAINED_PER_S), None)
    modality = plugins.constant("library", entry["library"], "MODALITY")
    trained = TRAINED_PER_S[known or modality] * (GPU if gpus else 1.0)
    if modality == "image" and entry.get("input_size"):
        trained *= (SIDE.get(known, 224) / entry["input_size"]) ** 2
    return {"embedded_per_s": FORWARD * trained, "trained_per_s": trained}


def plan(request, rates):
    """The trials that fit into the minutes of a request.

    Parameters
    ----------
    request : dict with minutes, backbone, method, lr, augment (lists of what is tried), epochs (of the last rung), trainings
        (of the settings that are taken), counts (split -> rows)
    rates : dict, backbone -> what `rate_of` gave

    Returns
    -------
    dict with request, rates, minutes (what the trials and the last trainings take, by the rule), trials: list of dict with rung,
        place (from 1), epochs; of rung 0 also backbone; of rung 1 probe (the place of its backbone among the probes), method,
        lr, augment. Later ones take their settings from the rung before.

    Raises
    ------
    UserError
        If not even one trial fits.
    """
    found, settings = None, list(arms(request))
    for count in range(1, len(settings) + 1):
        rungs = rungs_of(count, request["epochs"])
        minutes = cost(rungs, request, rates) / 60
        if minutes > request["minutes"]:
            break
        found = rungs, minutes
    if found is None:
        what = f"{request['minutes']:g} minutes are fewer than one trial and the last training take"
        least = math.ceil(minutes * 10) / 10
        hint = "`make tune` measures how fast this machine is; fewer epochs, seeds or backbones take less"
        raise UserError(what, allowed=f"at least {least:g} minutes", hint=hint)
    probes = [{"rung": 0, "place": place + 1, "backbone": name} for place, name in enumerate(request["backbone"])]
    trials = [
        {"rung": number + 1, "place": place + 1, "epochs": epochs} | (settings[place] if number == 0 else {})
        for number, (count, epochs) in enumerate(found[0])
        for place in range(count)
    ]
    return {"request": request, "rates": rates, "minutes": round(found[1], 2), "trials": probes + trials}


def arms(request):
    """The settings of rung 1 in the order in which they are tried: dicts with probe, method, lr, augment.

    The first has the first value of each. Any number of them covers the values of each evenly: they are a sequence of low
    discrepancy (Roberts 2018), multiples of powers of the root of x^(d+1) = x + 1, modulo 1.
    """
    probes = list(range(1, min(BACKBONES, len(request["backbone"])) + 1))
    values = [probes, trained_methods(request["method"]), request["lr"], request["augment"]]
    root = 1.5
    for _ in range(50):
        root = (1 + root) ** (1 / (len(values) + 1))
    left = set(every := list(product(*values)))
    for number in range(20 * len(every)):
        places = [int((number * root ** -(axis + 1)) % 1 * len(one)) for axis, one in enumerate(values)]
        found = tuple(one[place] for one, place in zip(values, places, strict=True))
        if found in left:
            left.remove(found)
            yield dict(zip(("probe", *SEARCHED), found, strict=True))
    yield from (dict(zip(("probe", *SEARCHED), one, strict=True)) for one in every if one in left)


def trained_methods(names):
    """Those of some methods that train the network."""
    return [name for name in names if not plugins.constant("method", name, "FROZEN", False)]


def rungs_of(count, epochs):
    """(trials, epochs) of each rung after the probes, of `count` trials in the first; the last trains all `epochs`."""
    steps = sorted({max(1, math.floor(share * epochs)) for share in SHARES})
    steps = steps[-min(len(steps), count.bit_length()) :]
    return list(zip((max(1, count >> number) for number in range(len(steps))), steps, strict=True))


def cost(rungs, request, rates):
    """Seconds of a search, one job after the other: probes, trials as if all had the slowest backbone, and the last trainings."""
    counts, all_rates = request["counts"], list(rates.values())
    labelled = sum(counts[part] for part in counts if part != "pool")
    probes = sum(2 * START + labelled / one["embedded_per_s"] for one in all_rates)
    epoch = max(
        counts["train"] / one["trained_per_s"] + counts.get("validation", 0) / one["embedded_per_s"]
        for one in all_rates
    )
    tried = sum(count * (START + epochs * epoch) for count, epochs in rungs)
    embedded = max(sum(counts.values()) / one["embedded_per_s"] for one in all_rates)
    return probes + tried + request["trainings"] * (2 * START + request["epochs"] * epoch + embedded)
