"""The part of results/index.html that is about one target: what is recommended, and all that speaks for and against it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from graft.curves.table import read_curves
from graft.evaluation.caveats import COPIES, UNLIKE, gap_in_words
from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS
from graft.report.decision.curve import curve_svg
from graft.report.decision.forest import forest
from graft.report.decision.foretold import foretold
from graft.report.last_words import figures
from graft.targets.by_group import worst_in_words

GAP = ("validation_gap", "validation_gap_low", "validation_gap_high")
GOALS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995)  # of metrics whose best is 1
CALIBRATED, UNKNOWN = 0.05, 0.15  # calibration errors: small enough; an upper end from which nothing is known
FEW_TRAIN, FEW_TEST = 20, 10  # rows of a class, below which it is called tiny
FEW_JUDGED = 50  # rows of a split, below which it says little of any model


@dataclass
class Decision:
    """What is known of a target when all models are there.

    dataset, target : str
    choice : dict of choosing.choose, with `model`
    said : dict, what last_words.results says of it: figures and chosen
    rows : DataFrame, the target's rows of summary.csv
    sets : dict, conformal.json of the taken model; {} where it has none
    counts : dict, class -> split -> labelled rows; {} for numbers
    doubts : list of caveats.Doubt, of the run
    costs : dict, model -> what all its jobs took, in words
    folder : Path, the results folder
    files : dict, kind (pairs, curves, ranking, groups, issues, to_label) -> path in the results folder, of the files that this run makes
    maps : list of (backbone, path), maps of the samples
    """

    dataset: str
    target: str
    choice: dict
    said: dict
    rows: pd.DataFrame
    sets: dict
    counts: dict
    doubts: list
    costs: dict
    folder: object
    files: dict = field(default_factory=dict)
    maps: list = field(default_factory=list)

    @property
    def taken(self):
        """The rows of the model that was taken, one per seed."""
        return self.rows[(self.rows["model"] == self.choice["model"]) & ~self.rows["stage"].isin(TASKS)]

    @property
    def controls(self):
        """The rows of the controls, with GAP to the taken model: NaN where it is not known, or the rows are too few for its ends."""
        found = self.rows[self.rows["stage"] == CONTROL]
        return found.assign(**{name: pd.to_numeric(found[name]) if name in found else np.nan for name in GAP})

    @property
    def better_control(self):
        """The control that is surely better on validation than the taken model; None if there is none."""
        better = self.controls[self.controls["validation_gap_low"] > 0]
        return None if better.empty else better.loc[better["validation_gap"].idxmax(), "model"]

    @property
    def recommended(self):
        """The rows of what the page recommends: of that control, or of the taken model."""
        return self.controls[self.controls["model"] == self.better_control] if self.better_control else self.taken

    @property
    def name(self):
        """What the page recommends."""
        return self.better_control or self.choice["model"]

    def path(self, kind):
        """Where a file is, if the run makes it."""
        return self.files.get(kind)

    def read(self, kind, **options):
        return pd.read_csv(self.folder / self.files[kind], **options) if kind in self.files else None


def section(one):
    """Facts that the page shows of a Decision: dict of str, lists of str, and lists of (sentence, link, words of the link)."""
    curves, equal = curves_of(one), tied(one)
    return {
        "name": f"{one.dataset}, {one.target}",
        "anchor": f"{one.dataset}-{one.target}",
        "model": one.name,
        "link": f"controls/{one.dataset}/{one.target}.csv" if one.better_control else model_folder(one.taken),
        "why": why(one),
        "sure": [*calibration(one), *coverage(one), *worst_groups(one)],
        "forest": forest(one.rows, one.costs, one.name, {name for name, *_ in equal}),
        "ties": ties(one, equal),
        "pairs": one.path("pairs"),
        "foretold": rankings(one),
        "ranking": one.path("ranking"),
        "curve": curves.get("svg", ""),
        "labels": curves["says"],
        "curves": one.path("curves"),
        "doubts": doubts(one),
        "next": next_steps(one),
    }


def model_folder(rows):
    return f"{rows['stage'].iloc[0]}/{rows['model'].iloc[0]}/" if len(rows) else ""


def why(one):
    """The sentences that say why the model is recommended."""
    if one.better_control:
        row, metric = one.recommended.iloc[0], METRIC_NAMES[one.choice["metric"]]
        return [
            sentence(figures(one.recommended, {name: own.get("test", 0) for name, own in one.counts.items()} or None)),
            f"This control needs no pretrained network and is better than the best trained model, {one.choice['model']}: {metric} "
            f"{gap_in_words(*row[list(GAP)])} on validation rows. "
            "Fit it with scikit-learn; graft keeps no file of it.",
            f"The best trained model: {one.said['figures']}.",
        ]
    said = [one.said["figures"], one.said["chosen"] or "It is the only model"]
    said += [
        f"{near.said}. The difference may be 0, so the page recommends the model"
        for near in own_doubts(one)
        if near.kind == CONTROL
    ]
    return [sentence(words) for words in (*said, *choice_is_weak(one))]


def rows_in(one, split):
    """How many labelled rows of classes a split has; 0 for numbers."""
    return sum(own.get(split, 0) for own in one.counts.values())


def choice_is_weak(one):
    """Sentences that say why validation rows can hardly choose."""
    missing = [name for name, own in one.counts.items() if not own.get("validation")]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing[:5])
        yield f"no validation row is of class {named}, so the choice between the models says little"
    elif 0 < rows_in(one, "validation") < FEW_JUDGED:
        yield f"only {rows_in(one, 'validation')} validation rows have chosen it: another model may be better"


def calibration(one):
    """How far its probabilities are off."""
    value, low, high = (
        one.recommended.get(f"test_ece{end}", pd.Series(dtype=float)).mean() for end in ("", "_low", "_high")
    )
    if pd.isna(value):
        return []
    few = 0 < rows_in(one, "test") < FEW_JUDGED  # their errors can all be 0 by luck, which no interval shows
    if (value > CALIBRATED and not few and high <= UNKNOWN) or low > CALIBRATED:
        verdict = "Do not trust its probabilities"
    elif few or not high <= UNKNOWN:
        verdict = "The test rows are too few to say how good its probabilities are"
    else:
        verdict = "Its probabilities can be used as they are"
    most = "" if pd.isna(high) else f" (at most {high:.2f})"
    return [f"{verdict}: the calibration error on test rows is {value:.3f}{most}."]


def coverage(one):
    """How often its sets hold the truth, and what takes the promise away."""
    unlike = any(doubt.kind == UNLIKE for doubt in own_doubts(one))
    for name, level in one.sets.get("levels", {}).items():
        some = any(one is not None for one in level.get("groups", {}).values())
        if level["note"] and not one.better_control:  # of a control no note is kept
            yield f"{'Some rows have' if some else 'There are'} no {name} % sets: {level['note']}."
        held, low, high = (
            one.recommended.get(f"test_coverage_{name}{end}", pd.Series(dtype=float)).mean()
            for end in ("", "_low", "_high")
        )
        if pd.isna(held):
            continue
        size, width = (
            one.recommended.get(f"test_{key}_{name}", pd.Series(dtype=float)).mean() for key in ("set_size", "width")
        )
        how = f"{size:.2f} classes on average" if pd.isna(width) else f"a width of {width:.3g}"
        between = "" if pd.isna(low) else f" [{low:.1%}, {high:.1%}]"
        promise = " Test rows differ from validation rows, so nothing is promised." if unlike else ""
        yield f"The {name} % sets hold the truth in {held:.1%}{between} of test rows, with {how}.{promise}"


def worst_groups(one):
    groups = one.read("groups", dtype={"group": str}, keep_default_na=True)
    if groups is None:
        return []
    own = groups[(groups["model"] == one.name) & (groups["split"] == "test")]
    return worst_in_words(own)


def ties(one, equal):
    """What cannot be told on validation rows from what is recommended, in words; `equal` is what `tied` gave."""
    if one.choice["metric"] is None:
        return []
    metric, controls = METRIC_NAMES[one.choice["metric"]], set(one.controls["model"])
    return [f"{name}: {'a control, ' if name in controls else ''}{metric} {gap_in_words(*gap)}" for name, *gap in equal]


def tied(one):
    """(name, gap, its lower and its upper end) of each model and control that is not surely worse than what is recommended."""
    if one.better_control:
        return tied_with_control(one)
    table = one.choice.get("table")
    if table is None:
        return []
    found = table[table["tied"] & (table.index != one.choice["model"])]
    found = list(found[["gap", "gap_low", "gap_high"]].itertuples(name=None))
    controls = one.controls
    near = controls[controls["validation_gap"].notna() & ~(controls["validation_gap_high"] < 0)]
    found += near[["model", *GAP]].itertuples(index=False, name=None)
    return found


def tied_with_control(one):
    """The same where a control is recommended: its pairs say it, since the gaps of other controls are to the taken model."""
    pairs = one.read("pairs", dtype={"model": str, "other": str})
    if pairs is None:
        return []
    ends = pairs[(pairs["split"] == "validation") & ~(pairs["low"] > 0)]
    ahead, behind = ends[ends["other"] == one.name], ends[ends["model"] == one.name]
    found = list(ahead[["model", "difference", "low", "high"]].itertuples(index=False, name=None))
    return found + [(row.other, -row.difference, -row.high, -row.low) for row in behind.itertuples()]


FILES = {  # kind -> where the file of a target is in the results folder
    "pairs": "compare/{dataset}/{target}.csv",
    "curves": "curves/{dataset}/{target}.csv",
    "ranking": "rank/{dataset}/transferability.csv",
    "groups": "groups/{dataset}/{target}.csv",
    "issues": "handoff/{dataset}/{target}/label_issues.csv",
    "to_label": "handoff/{dataset}/{target}/to_label.csv",
}


def files_of(dataset, target, made):
    """The files of a target among those that a run makes: dict for Decision; `made` are paths in the results folder."""
    named = {kind: name.format(dataset=dataset, target=target) for kind, name in FILES.items()}
    return {kind: name for kind, name in named.items() if name in made}


def curves_of(one):
    """The learning curve as SVG, and what it says of more labels."""
    if not one.path("curves"):
        return {"says": ["No learning curve was measured: the data set has no embeddings by a pretrained backbone."]}
    found = read_curves(one.folder / one.path("curves"))
    curves = {model: curve for (model, split), curve in found.items() if split == "validation"}
    heads = next(iter(curves.values()), None)  # they are first in the table
    curve = curves.get(one.choice["model"], heads)
    if curve is None or not len(curve.measured):
        return {"says": [f"No forecast: {curve.why}." if curve else "No forecast."]}
    # A network's curve has few points. Where nothing is foretold of it, the heads say what more labels may be worth.
    says = said_of(curve) + (said_of(heads) if curve.why and not heads.why else [])
    if curve.model not in (one.name, linear_on(one.recommended)):
        says.append("The curve is of another model than the recommended one. It shows how fast labels help.")
    return {"svg": curve_svg(curve), "says": says}


def linear_on(rows):
    """What the curve of linear heads on the backbone of a model is called; "" if the model (its rows) is no linear head."""
    linear = rows[rows["method"] == "linear"] if "method" in rows else rows.head(0)
    return f"linear on {linear['backbone'].iloc[0]}" if len(linear) else ""


def said_of(curve):
    """What a curve says of now and of more labels, in sentences."""
    now = curve.medians["median"].iloc[-1]
    goals = [] if curve.why else [goal for goal in GOALS if goal > now][:2] if now < 1 and now > 0 else []
    says = [
        f"{METRIC_NAMES[curve.metric]} of {curve.model} is {now:.3f} on validation rows with {curve.labels:,} labels."
    ]
    if not goals and not curve.why:
        return [*says, "More labels would hardly help."]
    return says + (
        [sentence(curve.says(goal)) for goal in goals] or ([sentence(f"no forecast: {curve.why}")] if curve.why else [])
    )


def rankings(one):
    """How well the ranking of the backbones foretold the order of the trained models."""
    ranking = one.read("ranking")
    return [] if ranking is None else foretold(ranking[ranking["target"] == one.target], one.rows)


def sentence(words):
    return f"{words[:1].upper()}{words[1:]}."


def doubts(one):
    """(sentence, link, words of the link) of everything that may be wrong with the data."""
    card = f"figures/data/{one.dataset}.html"
    pairs = (f"data/{one.dataset}/near_duplicates.csv", "near_duplicates.csv")
    found = [
        (sentence(doubt.said), *(pairs if doubt.kind == COPIES else (card, "data card")))
        for doubt in own_doubts(one)
        if doubt.kind != CONTROL  # it is said above: it is not about the data
    ]
    issues = one.read("issues")
    if issues is not None and len(issues):
        rows = sum(sum(own.values()) for own in one.counts.values())
        share = f" of {rows:,}" if rows else ""
        words = f"{len(issues):,}{share} labels are probably wrong; the worst are first in the file"
        found.append((sentence(words), one.path("issues"), "label_issues.csv"))
    tiny = [
        f"{name} ({own.get('train', 0)} train, {own.get('test', 0)} test rows)"
        for name, own in one.counts.items()
        if own.get("train", 0) < FEW_TRAIN or own.get("test", 0) < FEW_TEST
    ]
    if tiny:
        more = f" and {len(tiny) - 5} more" if len(tiny) > 5 else ""
        found.append(
            (
                sentence(f"classes with few rows, so their metrics say little: {', '.join(tiny[:5])}{more}"),
                card,
                "data card",
            )
        )
    return found


def own_doubts(one):
    """The doubts about this target."""
    return [doubt for doubt in one.doubts if about(one, doubt)]


def about(one, doubt):
    """Whether a doubt is about this target, or about its data set as a whole."""
    dataset, *rest = doubt.what.split(", ")
    return dataset == one.dataset and (not rest or rest[0] == one.target)


def only_frozen(one):
    """Whether networks were tried that could be trained, and none was."""
    models = one.rows[~one.rows["stage"].isin((CONTROL, *TASKS))]
    return "method" in models and set(models["method"]) == {"linear"} and set(models["backbone"]) != {"vectors"}


def next_steps(one):
    """(command or file, what it is for), the most useful first."""
    found = []
    if not one.better_control and len(one.taken):
        found.append((f"make predict MODEL={one.choice['model']} DATA=...", "predict new files"))
    if one.better_control and only_frozen(one):
        found.append(("method: [linear, lp_ft]", "in the config: train the network, too. Only frozen ones were tried"))
    if one.better_control:
        recipe = f"see scripts/graft/controls/methods/{one.better_control}.py"
        found.append((recipe, "how the control is fitted, in a few lines of scikit-learn, for your own script"))
    if one.path("issues") and len(one.read("issues")):
        found.append(
            (one.path("issues"), "look at these labels, correct them, and run again: only what changed is trained")
        )
    if one.path("to_label"):
        found.append(
            (
                one.path("to_label"),
                "the samples of the pool whose labels would teach most; `make label CONFIG=...` shows them",
            )
        )
    return found
