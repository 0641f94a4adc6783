"""What a model will cost, estimated from a few measured samples, before anything is trained."""

# A GPU of the A100 class: a sixth of its bf16 peak, and no more samples than its host decodes and hands over.
GPU_OPERATIONS_PER_S = 50e12
GPU_SAMPLES_PER_S = 2000
PARAMETER_BYTES = 16  # weight, gradient and AdamW's two moments, 4 bytes each


def keeps_images(card, measured, store):
    """Whether the store keeps the decoded images of a data set for a backbone: where the config says so, and they fit in.

    Parameters
    ----------
    card : dict, data_card.json
    measured : dict, what measure_speed wrote for the data set and the backbone
    store : dict, the config's, with max_gb and images, the names of the data sets whose images are kept
    """
    if measured.get("modality") != "image":
        return True
    return card["dataset"] in store["images"] and decoded_bytes(card, measured) <= store["max_gb"] * 1e9


def decoded_bytes(card, measured):
    """What all images of a data set take, decoded for a backbone."""
    return sum(card["counts"].values()) * measured["bytes_decoded"]


def too_large(card, speed, trained, store):
    """What `make check` says where the decoded images of a data set that networks are trained on do not fit into the store.

    Parameters
    ----------
    speed : dict, backbone -> what measure_speed wrote
    trained : collection of backbones that are trained on the data set
    """
    for name in sorted(trained):
        measured = speed[name]
        if card["dataset"] in store["images"] and not keeps_images(card, measured, store):
            total, rate = sum(card["counts"].values()), measured["decoded_per_s"]
            yield (
                f"decoded for {name}, the {total:,} images take {decoded_bytes(card, measured) / 1e9:.3g} GB, and store.max_gb is "
                f"{store['max_gb']:g}. They are decoded each time they are read. This takes about {duration(total / rate)} "
                f"for all of them on {measured['threads']} threads"
            )


def estimate(model, counts, measured, trains, teacher=None, kept=True):
    """Forwards, time, memory and disk of one model.

    Parameters
    ----------
    model : dict, its settings in the config
    counts : dict, split -> rows of the data set
    measured : dict, what measure_speed wrote for its data set and backbone
    trains : bool, whether the backbone's weights are trained
    teacher : dict, what measure_speed wrote for the backbone of a student's teacher
    kept : whether decoded images stay in the store; else they are decoded each time that they are read

    Returns
    -------
    dict with forwards, trained (samples that go forward and backward), seconds, gpu_seconds, memory_bytes (of the
    network while training, without the program itself), disk_bytes
    """
    total, seeds = sum(counts.values()), len(model["seeds"])
    if measured["library"] == "vectors":
        return {
            "forwards": 0,
            "trained": 0,
            "seconds": 5 * seeds,
            "gpu_seconds": 5 * seeds,
            "memory_bytes": 0,
            "disk_bytes": 0,
        }
    # A trained network has embeddings of its own, of every sample; a frozen one shares those of its backbone.
    # With folds it is trained again without each, and so sees each train row as often as there are folds.
    folds, validation = model.get("folds") or 0, counts.get("validation", 0)
    seen = total + (1 + folds) * model["epochs"] * validation + (counts["train"] if folds else 0)
    forwards = measured["forwards"] + seeds * seen if trains else measured["forwards"]
    taught = counts["train"] + (counts.get("pool", 0) if model.get("pool", False) is not False else 0)
    trained = seeds * max(1, folds) * model["epochs"] * taught if trains else 0
    if trains and (curve := model.get("curve")):  # of the first seed; each network also answers for the judged rows
        draws, judged = model["curve_draws"], validation + counts.get("test", 0)
        forwards += draws * len(curve) * (model["epochs"] * validation + judged)
        trained += round(draws * sum(curve) * model["epochs"] * counts["train"])
    answers = taught * views_of(model)
    decoded = measured["forwards"] if kept else forwards + trained
    seconds = (answers / teacher["embedded_per_s"] if answers else 0) + (
        decoded / measured["decoded_per_s"]
        + forwards / measured["embedded_per_s"]
        + trained / measured["trained_per_s"]
    )
    asked = answers * teacher["operations"] if answers else 0
    on_gpu = max(
        ((forwards + 3 * trained) * measured["operations"] + asked) / GPU_OPERATIONS_PER_S,
        (forwards + trained + answers) / GPU_SAMPLES_PER_S,
    )
    bytes_per_sample = (measured["bytes_decoded"] if kept else 0) + 4 * measured["width"] * (
        1 + (seeds if trains else 0)
    )
    batch = model["batch_size"] if trains else 0
    return {
        "forwards": forwards + answers,
        "trained": trained,
        "seconds": seconds,
        "gpu_seconds": on_gpu,
        "memory_bytes": measured["parameters"] * (PARAMETER_BYTES if trains else 4)
        + batch * measured["activation_bytes"],
        "disk_bytes": total * bytes_per_sample + seeds * 4 * measured["parameters"],
    }


def views_of(model):
    """Changed versions of each image that a student's teacher answers, for all seeds; without `augment` its embeddings do."""
    if model["stage"] != "distill" or model["augment"] == "none":
        return 0
    return min(model["epochs"], model["views"] or model["epochs"])


def duration(seconds):
    """Seconds, minutes or hours in words, at least a second."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
