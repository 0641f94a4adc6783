"""A number: squared error on standardised values, one standard deviation of the residuals."""

import numpy as np
import torch.nn.functional as functional

from graft.evaluation.metrics import regression_metrics
from graft.heads.calibration import residual_std
from graft.heads.probe import solve_probe as solve

__all__ = ["solve"]

LABEL = "value"
CLASS_WEIGHTS = False


def outputs_of(target):
    return 1


def encode(values, train, target):
    """Standardised by the train rows."""
    seen = values[train & np.isfinite(values)]
    mean, std = float(seen.mean()), float(seen.std()) or 1.0
    return (values - mean) / std, {"mean": mean, "std": std}


def known(codes):
    return np.isfinite(codes)


def losses(outputs, values, settings, class_weights=None):
    """Squared error of each sample; outputs (n, 1), values float (n,)."""
    return functional.mse_loss(outputs.squeeze(1), values.to(outputs.dtype), reduction="none")


def chance_loss(codes):
    """The variance."""
    return float(np.var(codes[known(codes)]))


def calibrate(outputs, codes, facts, shift):
    return {"residual_std": facts["std"] * float(residual_std(codes, outputs[:, 0]))}


def judge(outputs, codes, shift):
    loss = float(np.mean((outputs[:, 0] - codes) ** 2))
    return {"val_loss": loss, "val_r2": float(1 - loss / max(np.var(codes), 1e-12))}


def answers(outputs, facts):
    return outputs * facts["std"] + facts["mean"]


def answers_in(table, facts):
    return table[["predicted"]].to_numpy(np.float64)


def outputs_for(answers, facts):
    return answers


def settle(answers, codes, members):
    """Values stay as they are; how far they are off is measured again."""
    return {"mean": 0.0, "std": 1.0, "residual_std": float(residual_std(codes, answers[:, 0]))}


def evidence(answers, values):
    return answers[known(values), 0] - values[known(values)]


def loss_of_evidence(errors):
    return float(np.mean(errors**2))


def columns(outputs, values, facts):
    return {
        "value": values,
        "predicted": answers(outputs, facts)[:, 0],
        "std": facts["residual_std"],
    }


def metrics(parts, facts):
    return {
        split: regression_metrics(part["value"].to_numpy(), part["predicted"].to_numpy(), part["group"].to_numpy())
        for split, part in parts.items()
    }
