"""How wide the priors of temperature and intercepts should be: python tests/benchmarks/calibration_priors.py.

It prints the log loss above the best that is possible, for widths of the prior and numbers of rows. Temperatures: logits are
normal, labels are drawn from them, then they are multiplied by a factor between 1/2 and 4. Intercepts: heads with balanced
class weights on normal features of classes of unlike size; the best is that of 2,000 rows without a prior.
"""

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]

from fits import fit_logistic  # noqa: E402
from graft.heads import calibration, solvers  # noqa: E402

WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.0, 100.0)


def of_temperature(classes, rows, seed):
    """Log loss above that of the true temperature, for each width and at last without a temperature."""
    draw = np.random.default_rng([seed, classes])
    true = 2 * draw.normal(size=(rows + 400, classes))
    chances = calibration.probabilities(true)
    labels = (chances[:rows].cumsum(1) > draw.random((rows, 1))).argmax(1)
    logits = true * np.exp(draw.uniform(np.log(0.5), np.log(4)))

    def excess(temperature):
        logs = np.log(calibration.probabilities(logits[rows:], temperature) + 1e-300)
        return float((chances[rows:] * (np.log(chances[rows:]) - logs)).sum(1).mean())

    found = []
    for calibration.TEMPERATURE_PRIOR in WIDTHS:
        found.append(excess(calibration.fit_temperature(logits[:rows], labels)))
    return [*found, excess(1.0)]


def of_intercepts(classes, rows, seed):
    """Log loss above that of 2,000 rows without a prior, for each width and at last with what the weights imply."""
    draw = np.random.default_rng([seed, classes, 1])
    shares = 0.3 ** np.arange(classes) / (0.3 ** np.arange(classes)).sum()
    labels = draw.choice(classes, 300 + rows + 2000, p=shares)
    labels[:classes] = np.arange(classes)
    features = draw.normal(size=(len(labels), 10)) + draw.uniform(0.5, 2) * np.eye(10)[labels]
    own, fitted, asked = slice(0, 300), slice(300, 300 + rows), slice(300 + rows, None)
    weight = solvers.balanced_weights(labels[own], classes)
    weights, biases = fit_logistic(features[own], labels[own], classes, [10.0 ** draw.uniform(-3, 0)], weight)
    logits = solvers.outputs(features, weights[0], biases[0])
    shift = calibration.log_shares(np.bincount(labels[own], minlength=classes))

    def loss(facts):
        return calibration.log_loss(logits[asked], labels[asked], **facts).mean()

    found = []
    for calibration.INTERCEPT_PRIOR in WIDTHS:
        found.append(loss(calibration.fit_calibration(logits[fitted], labels[fitted], shift)))
    plain = {"temperature": calibration.fit_temperature(logits[fitted], labels[fitted]), "intercepts": shift}
    best = loss(calibration.fit_calibration(logits[asked], labels[asked], shift))
    return np.array([*found, loss(plain)]) - best


def main():
    chosen = calibration.TEMPERATURE_PRIOR, calibration.INTERCEPT_PRIOR
    for simulate, sizes, draws, names in (
        (of_temperature, (6, 12, 25, 50, 100), 100, "no temperature"),
        (of_intercepts, (12, 50, 200), 40, "no fit"),
    ):
        print(simulate.__name__, *WIDTHS, names, sep="\t")
        for classes in (2, 4, 10):
            for rows in sizes:
                calibration.TEMPERATURE_PRIOR, calibration.INTERCEPT_PRIOR = chosen
                found = np.mean([simulate(classes, rows, seed) for seed in range(draws)], 0)
                print(f"{classes} classes, {rows} rows", *(f"{value:.3f}" for value in found), sep="\t", flush=True)


if __name__ == "__main__":
    main()
