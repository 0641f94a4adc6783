"""Draw a distilled student beside its teacher: quality, cost and agreement."""

from graft.common.outputs import read_json
from graft.evaluation.tables import METRIC_NAMES
from graft.report.plots import GREY, PALETTE, draw, head, say_empty

BETTER_HIGH = (
    "quadratic_kappa",
    "map",
    "micro_f1",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "average_precision",
    "r2",
)
COSTS = {"parameters": "parameters", "flops": "FLOPs per sample", "bytes": "bytes of weights"}
TEACHER, STUDENT = PALETTE[1], PALETTE[0]


def plot(source, path):
    """Draw one agreement.json."""
    facts = read_json(source.files["agreement"])
    student, teacher = facts["student"], facts["teacher"]
    title = "student and teacher on test data"
    draw(path, (9.6, 3.8), title, describe(facts), lambda figure: paint(figure, title, student, teacher, facts))


def describe(facts):
    """Quality, cost and agreement in words."""
    student, teacher = facts["student"], facts["teacher"]
    quality = [
        f"{METRIC_NAMES[name]} {student['metrics'][name]['value']:.3g} (teacher {teacher['metrics'][name]['value']:.3g})"
        for name in shared(student, teacher)
    ]
    cost = [f"{label} {human(student[key])} (teacher {human(teacher[key])})" for key, label in COSTS.items()]
    agree = [f"{split} {100 * one['value']:.1f} %" for split, one in known(facts)]
    return (
        f"Student {student['name']}, seed {student['seed']}; teacher {teacher['name']}, seed {teacher['seed']}. "
        f"{'; '.join([*quality, *cost])}. Same class predicted: {', '.join(agree) or 'not measured'}."
    )


def shared(student, teacher):
    """The metrics that both have, where more is better."""
    both = (student["metrics"], teacher["metrics"])
    return [name for name in BETTER_HIGH if all(one.get(name, {}).get("value") is not None for one in both)]


def known(facts):
    """(split, share) of the measured agreement; values are never the same, so regression has none."""
    if not {"accuracy", "exact_match"} & set(facts["student"]["metrics"]):
        return []
    return [(split, one) for split, one in facts["agreement"].items() if one["value"] is not None]


def human(number):
    """A count with three digits and a unit: 4.65 M."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.3g}"


def paint(figure, title, student, teacher, facts):
    sides = (("student", student, STUDENT), ("teacher", teacher, TEACHER))
    lines = [
        (f"■ {role}: {one['name']}, seed {one['seed']}, input {one['input']}", colour) for role, one, colour in sides
    ]
    head(figure, title, *lines)
    quality, cost, agree = figure.subplots(1, 3, width_ratios=[1.5, 1.2, 0.9])
    paint_quality(quality, student, teacher)
    paint_cost(cost, student, teacher)
    paint_agreement(agree, known(facts))


def paint_quality(axes, student, teacher):
    """One pair of bars per metric, with 95 % intervals."""
    names = shared(student, teacher)
    low = 0.0
    for offset, one, colour in ((-0.2, student, STUDENT), (0.2, teacher, TEACHER)):
        for i, name in enumerate(names):
            metric = one["metrics"][name]
            value = metric["value"]
            low = min(low, value)
            axes.bar(i + offset, value, 0.38, color=colour)
            interval(axes, i + offset, metric)
            axes.text(i + offset, 0.03, f"{value:.2f}", ha="center", va="bottom", fontsize=7, color="white")
    axes.set_xticks(range(len(names)), [METRIC_NAMES[name].replace(" ", "\n") for name in names], fontsize=8)
    axes.set_ylim(max(-1.0, low * 1.1), 1.02)
    axes.set_title("quality")


def interval(axes, place, metric):
    """The 95 % interval of a bar, if it has one."""
    if metric["low"] is not None:
        value = metric["value"]
        error = [[max(0.0, value - metric["low"])], [max(0.0, metric["high"] - value)]]
        axes.errorbar(place, value, error, color="black", capsize=2, linewidth=1)


def paint_cost(axes, student, teacher):
    """The student's cost as a share of the teacher's."""
    for i, (key, label) in enumerate(COSTS.items()):
        share = student[key] / teacher[key] if teacher[key] else 1.0
        axes.barh(i, share, 0.42, color=STUDENT)
        axes.text(0, i - 0.27, f"{label}: {human(student[key])} of {human(teacher[key])}", fontsize=8, va="bottom")
        axes.text(share, i, f" {100 * share:.0f} %", fontsize=8, va="center")
    axes.axvline(1, color=TEACHER, linewidth=1.6)
    shares = [student[key] / teacher[key] if teacher[key] else 1.0 for key in COSTS]
    axes.set_xlim(0, max(1.3, 1.25 * max(shares)))
    axes.set_ylim(len(COSTS) - 0.6, -0.6)
    axes.set_yticks([])
    axes.set_xlabel("share of the teacher's")
    axes.set_title("cost")


def paint_agreement(axes, shares):
    """How often both predict the same class, per split."""
    if not shares:
        return say_empty(axes, "agreement is\nmeasured for classes")
    for i, (_, one) in enumerate(shares):
        axes.bar(i, one["value"], 0.6, color=GREY)
        interval(axes, i, one)
        axes.text(i, 0.03, f"{100 * one['value']:.0f} %", ha="center", va="bottom", fontsize=7, color="white")
    axes.set_xticks(range(len(shares)), [split.replace("validation", "valid.") for split, _ in shares], fontsize=8)
    axes.set_ylim(0, 1.02)
    axes.set_title("same class predicted")
