"""Draw how a training went: loss and quality against the epoch, and, for a probe, against its L2."""

from itertools import cycle
from pathlib import Path

import pandas as pd

from graft.evaluation.tables import METRIC_NAMES
from graft.report.plots import GREY, PALETTE, draw, head, legend_beside, say_empty

QUALITY = {"val_acc": "accuracy", "val_auroc": "auroc", "val_map": "map", "val_r2": "r2"}


def plot(source, path):
    """Draw the ft_history.csv of a model."""
    history = Path(source.files["history"])
    frame, name = pd.read_csv(history), f"{history.parts[-3]}, seed {history.parts[-2].removeprefix('seed')}"
    stages = stages_of(frame)
    title = "training history"
    words = " ".join([f"{name}.", *(describe(stage, rows) for stage, rows in stages)])
    size = (7.4 if len(stages) < 2 else 9.6 + 2.2 * (len(stages) - 2), 4.8 if qualities(frame) else 3.2)
    draw(path, size, title, words, lambda figure: paint(figure, stages, title, name))


def stages_of(frame):
    """(name, rows) of the linear probe, of each target if there are several, and of the training; what there is of these."""
    probe, train = frame[frame["stage"] == "probe"], frame[frame["stage"] == "train"]
    found = [("probe", probe)]
    if "target" in frame and probe["target"].notna().any():
        found = [(f"probe of {target}", rows) for target, rows in probe.groupby("target", sort=False)]
    return [(name, rows) for name, rows in [*found, ("train", train)] if len(rows)]


def qualities(rows):
    """The columns of validation quality that have values, name -> what they hold; of several targets with their names."""
    found = {}
    for column in rows:
        base = next((name for name in QUALITY if column == name or column.startswith(f"{name}_")), None)
        if base and rows[column].notna().any():
            target = column.removeprefix(base).removeprefix("_")
            found[column] = METRIC_NAMES[QUALITY[base]] + (f" of {target}" if target else "")
    return found


def best_row(rows):
    """Label of the row whose weights were kept: the probe says so, the loop keeps the first lowest (calibrated) loss."""
    if "best" in rows and rows["best"].notna().any():
        marked = rows.index[rows["best"].astype(str).str.lower() == "true"]
        if len(marked):
            return marked[0]
    for column in ("val_loss_calibrated", "val_loss"):  # by the first the loop decides, where there is one
        if column in rows and rows[column].notna().any():
            return rows[column].idxmin()
    return None


def describe(stage, rows):
    """The kept row of a stage in words."""
    best = best_row(rows)
    if best is None:
        return f"{stage}: {len(rows)} rows without validation loss."
    row = rows.loc[best]
    where = f"L2 {row['l2']:.3g}" if is_probe(stage, rows) else f"epoch {row['epoch']:.0f} of {rows['epoch'].max():.0f}"
    return f"{stage}: best at {where} with validation loss {row['val_loss']:.4g}."


def is_probe(stage, rows):
    """Whether the rows are L2 candidates of a convex head rather than epochs."""
    return stage.startswith("probe") and "l2" in rows and rows["l2"].notna().all()


def paint(figure, stages, title, name):
    head(figure, title, name)
    if not stages:
        return say_empty(figure.add_subplot(), "the history has no rows")
    height = 2 if any(qualities(rows) for _, rows in stages) else 1
    axes = figure.subplots(height, len(stages), sharex="col", squeeze=False, width_ratios=widths_of(stages))
    for place, (stage, rows) in enumerate(stages):
        paint_stage(axes[:, place], stage, rows)
    axes[0, 0].set_ylabel("loss")
    if height == 2:
        axes[1, -1].set_ylabel("validation quality")
    for row in axes:
        shown = [one for one in row if one.get_legend_handles_labels()[1]]
        if shown:
            handles = {
                label: handle for one in shown for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
            }
            legend_beside(row[-1], handles=list(handles.values()), labels=list(handles))


def widths_of(stages):
    return [1.6 if stage == "train" else 1 for stage, _ in stages]


def paint_stage(axes, stage, rows):
    """Loss above, quality (if there is any) below, the kept row marked."""
    probe, best = is_probe(stage, rows), best_row(rows)
    place = "l2" if probe else "epoch"
    kept = None if best is None else rows.loc[best, place]
    rows = rows.sort_values(place)
    upper, *lower = axes
    curves = [("train_loss", "training", PALETTE[0], "o"), ("val_loss", "validation", PALETTE[1], "s")]
    if probe:  # by these the L2 is chosen
        curves.append(("unseen_loss", "folds and validation", PALETTE[2], "^"))
    paint_curves(upper, rows, place, curves)
    for one in lower:
        looks = zip(qualities(rows).items(), cycle(PALETTE[2:]), cycle("os^"), strict=False)
        paint_curves(one, rows, place, [(column, name, *look) for (column, name), *look in looks])
        if not one.get_lines():
            say_empty(one, "not measured in this stage")
    shown = [one for one in axes if one.axison]
    for one in shown:
        one.grid(True)
        if kept is not None:
            one.axvline(kept, color=GREY, linestyle=":", label="kept" if one is upper else None)
    if probe:
        upper.set_xscale("symlog" if (rows["l2"] <= 0).any() else "log")
        upper.xaxis.set_major_formatter(lambda value, position: f"{value:g}")
    else:
        upper.set_xlim(min(1, rows["epoch"].min()) - 0.5, max(1, rows["epoch"].max()) + 0.5)  # 0: the solved head
        upper.xaxis.get_major_locator().set_params(integer=True)
    shown[-1].set_xlabel("L2 penalty" if probe else "epoch")
    upper.tick_params(labelbottom=len(shown) == 1)
    upper.set_title(stage.replace("probe", "linear probe").replace("train", "training"))


def paint_curves(axes, rows, place, curves):
    """One line per (column, label, colour, marker) that has values."""
    for column, label, colour, marker in curves:
        if column in rows and rows[column].notna().any():
            axes.plot(rows[place], rows[column], marker=marker, color=colour, label=label)
