"""Draw how many answers are wrong if a classifier leaves out its least sure answers (selective prediction)."""

import numpy as np

from graft.evaluation.intervals import units_of
from graft.report.plots import GREY, PALETTE, draw, head, say_empty
from graft.report.resampling import band

GRID = np.linspace(0.05, 1, 96)  # of fewer rows the share of wrong ones depends on single rows
MARKED = (1.0, 0.9, 0.8, 0.5)  # shares of rows for which the figure says the error in words


def plot(source, path):
    """Draw the error of the surest answers against their share."""
    judged = source.judged
    rows = judged.rows
    wrong, sure = (rows["predicted"] != rows["label"]).to_numpy(float), rows["confidence"].to_numpy(float)
    title = f"{judged.target}: error of the surest answers"
    subtitle = f"{judged.name}, {judged.split} split, {len(rows)} samples"
    facts = measured(wrong, sure, units_of(rows.get("group"))) if len(rows) else None
    draw(path, (7.6, 4.4), title, in_words(facts, subtitle), lambda figure: paint(figure, facts, title, subtitle))


def measured(wrong, sure, units):
    """The curve at each number of rows kept, its band at GRID, and the area under it (AURC) with its 95 % interval."""
    count = len(wrong)
    shares = np.arange(1, count + 1) / count

    def curve(weights):
        """At GRID, and after that the area."""
        return np.r_[risk_at(GRID, wrong, sure, weights), area(wrong, sure, weights)]

    low, high = band(curve, count, units)
    return {
        "shares": shares,
        "risk": risk_at(shares, wrong, sure, np.ones(count)),
        "best": risk_at(shares, wrong, -wrong, np.ones(count)),
        "band": (low[:-1], high[:-1]),
        "aurc": {"value": area(wrong, sure, np.ones(count)), "low": low[-1], "high": high[-1]},
        "marked": {
            one: (risk_at(np.array([one]), wrong, sure, np.ones(count))[0], at(one, low), at(one, high))
            for one in MARKED
        },
    }


def at(share, ends):
    """The band's end at a share of GRID."""
    return ends[np.abs(GRID - share).argmin()]


def risk_at(shares, wrong, sure, weights):
    """Share of wrong answers among the surest rows (El-Yaniv and Wiener 2010); of equally sure rows the mean over their orders.

    Parameters
    ----------
    shares : array, shape (points,), the coverage: the share of the rows that is kept, above 0
    wrong : array of 0 and 1, shape (N,)
    sure : array, shape (N,), the confidence
    weights : array, shape (N,), how often each row counts
    """
    order = np.argsort(-sure, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(sure[order])), len(order) - 1]
    kept, errors = (np.r_[0.0, np.cumsum(one[order])[ends]] for one in (weights, weights * wrong))
    return np.interp(shares * kept[-1], kept, errors) / (shares * kept[-1])


def area(wrong, sure, weights):
    """AURC (Geifman and El-Yaniv 2017): the mean of the risk over the rows, each kept with all that are surer."""
    shares = np.arange(1, weights.sum() + 1) / weights.sum()
    return risk_at(shares, wrong, sure, weights).mean()


def in_words(facts, subtitle):
    if facts is None:
        return f"{subtitle}: no labelled sample."
    each = "; ".join(f"{100 * share:.0f} % kept: {percent(*risk)} wrong" for share, risk in facts["marked"].items())
    return f"{subtitle}. Area under the curve {said(facts['aurc'])}. {each}."


def said(area):
    interval = "" if np.isnan(area["low"]) else f" [{area['low']:.3f}, {area['high']:.3f}]"
    return f"{area['value']:.3f}{interval}"


def percent(value, low, high):
    """A share in percent, with its interval."""
    interval = "" if np.isnan(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f} %{interval}"


def paint(figure, facts, title, subtitle):
    head(figure, title, subtitle)
    axes = figure.add_subplot()
    if facts is None:
        return say_empty(axes, "no labelled sample to judge by")
    axes.fill_between(GRID, *facts["band"], color=PALETTE[0], alpha=0.22, linewidth=0)
    seen = facts["shares"] >= GRID[0]
    shares, risk, best = (facts[name][seen] for name in ("shares", "risk", "best"))
    axes.plot(shares, risk, color=PALETTE[0], label=f"the surest answers: area (AURC) {said(facts['aurc'])}")
    total = risk[-1]
    axes.axhline(total, color=GREY, linestyle=":", label=f"answers left out at random: {total:.3f}")
    words = f"all wrong answers left out first: {facts['best'].mean():.3f}"
    axes.plot(shares, best, color=PALETTE[2], linestyle="--", linewidth=1.2, label=words)
    for share, (risk, low, high) in facts["marked"].items():
        axes.plot(share, risk, "o", color=PALETTE[0])
        axes.annotate(
            percent(risk, low, high), (share, risk), (-4, 7), textcoords="offset points", ha="right", fontsize=7.5
        )
    top = max(risk.max(), np.nanmax(facts["band"][1], initial=0.0), 0.02)
    axes.set(xlim=(0, 1.01), ylim=(-0.01 * top, 1.12 * top))
    axes.set(
        xlabel="share of samples that the model answers, the surest first (coverage)",
        ylabel="share of wrong answers (risk)",
    )
    axes.grid(True)
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.15), borderaxespad=0, fontsize=7.5)
