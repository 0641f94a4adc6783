"""What the data card says of a prepared data set."""

from graft.data.image_card import describe_images, notes_of_images
from graft.data.label_sets import rows_of_labels
from graft.data.tables.numbers import stands_apart


def in_words(card):
    """One line: how many samples there are and what they are like."""
    total = sum(card["counts"].values())
    if "image" in card:
        image = card["image"]
        width, height = (_span(*image["sizes"][side]) for side in ("width", "height"))
        depth = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit"}[image["dtype"]]
        colour = {1: "grey", 3: "colour"}.get(image["channels"], f"of {image['channels']} bands")
        low, high = image["range"]
        return f"{total:,} images, {depth} {colour}, {width} x {height} pixels, values {low:g} to {high:g}"
    if "text" in card:
        text = card["text"]
        usual, long = text["words_median"], text["words_95_percent"]
        return f"{total:,} texts, usually of {usual:.0f} words, 95 % of them of at most {long:.0f}"
    return f"{total:,} vectors of {card['vector']['width']} numbers"


def _span(low, high):
    return f"{low}" if low == high else f"{low} to {high}"


HOW = {
    "given": "given by the data",
    "growth_stable": "by a hash of the id or group: new samples do not move the others",
    "grouped": "whole groups at random",
    "stratified": "at random, stratified",
    "random": "at random",
}


def how_split(split, counts):
    """How the splits came about, in words; `split` and `counts` are the card's."""
    how, drawn = HOW[split["how"]], split["taken_from_train"]
    if not drawn:
        return how if split["how"] == "given" else f"drawn {how}"
    given = [name for name in ("validation", "test") if name in counts and name not in drawn]
    return f"{' and '.join(['train', *given])} given by the data; {' and '.join(drawn)} drawn from train {how}"


def count(frame, targets):
    """Rows per split, and per target, split and class; the folds; to how many groups the labelled rows belong."""
    counts = frame["split"].value_counts()
    order = [split for split in ("train", "validation", "test", "pool") if split in counts]
    classes = {}
    for name, target in targets.items():
        if target["kind"] == "regression":
            continue
        classes[name] = {
            split: {
                c: int(n)
                for c, n in rows_of_classes(frame.loc[frame["split"] == split, name], target["kind"])
                .value_counts()
                .reindex(target["classes"], fill_value=0)
                .items()
            }
            for split in order
            if split != "pool"
        }
    groups = frame.loc[frame["split"] != "pool", "group"].str.strip()
    return {
        "counts": {split: int(counts[split]) for split in order},
        "classes": classes,
        "folds": sorted(int(fold) for fold in frame["fold"].unique() if fold >= 0),
        "groups": int(groups[groups != ""].nunique()),
    }


def rows_of_classes(values, kind):
    """The class of each row; of several labels a row for each of them."""
    return rows_of_labels(values) if kind == "multilabel" else values


def describe(frame, modality, entry):
    """What the samples are like: {"image": ...}, {"text": ...} or {"vector": ...}.

    Parameters
    ----------
    frame : DataFrame with the columns that checking.check_samples adds, and split
    modality : "image", "text" or "vector"
    entry : dict, the data set's entry; its `range` is "measured" (on the train rows) or [low, high]

    Raises
    ------
    UserError
        If images have several depths: no range of values would fit them all.
    """
    if modality == "image":
        return {"image": describe_images(frame, entry)}
    if modality == "text":
        return {
            "text": {
                "words_median": float(frame["words"].median()),
                "words_95_percent": float(frame["words"].quantile(0.95)),
                "characters_longest": int(frame["characters"].max()),
                "texts_with_replaced_characters": int((frame["replaced"] > 0).sum()),
            }
        }
    return {"vector": {"width": int(frame["width"].iloc[0])}}


def notes_of(frame, modality, entry):
    """What a user should know of the samples and of how they are read; list of str."""
    if modality == "image":
        return notes_of_images(frame, entry)
    return _notes_of_vectors(frame) if modality == "vector" else []


def _notes_of_vectors(frame):
    """A line for each number like -999 that is in many vectors, far from the lowest or highest of all others."""
    notes = []
    for end in ("lowest", "highest"):
        apart, (low, high) = stands_apart(frame[end].to_numpy(float))
        for value in apart:
            rows = frame[end] == value
            notes.append(
                f"{int(rows.sum())} of {len(frame)} vectors hold {value:g}, such as {frame['sample_id'][rows].iloc[0]}; the "
                f"{end} number of the others is {low:g} to {high:g}. If it means 'not measured', a head reads it as a "
                "measurement. Leave these samples or columns out, or write the column's median there"
            )
    return notes
