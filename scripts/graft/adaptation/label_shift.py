"""Where only the classes' shares differ between domains: P(c | x) of the target from that of the source.

If P(x | c) is the same in both, the target's odds are the source's times q(c) / p(c), the ratio of the classes' shares
(Saerens et al. 2002, eq. 2.4). The shares q come from a method such as label_shift_em.
"""

import torch

from graft.heads.calibration import fit_calibration, log_shares, probabilities


def corrected(method, logits, labels, target_logits):
    """What makes the target's probabilities of its logits.

    The source's probabilities are calibrated first, by a temperature and an intercept per class: bias-corrected temperature
    scaling, without which the shares are biased (Alexandari et al. 2020).

    Parameters
    ----------
    method : module with `priors`
    logits : array, shape (n, classes), of source rows that the head did not see
    labels : array of int, shape (n,)
    target_logits : array, shape (m, classes)

    Returns
    -------
    dict with "temperature", "intercepts" (classes,) and "priors" (classes,): softmax(logits / temperature + intercepts)
    """
    facts = fit_calibration(logits, labels, torch.zeros(logits.shape[1]))
    source, target = (torch.from_numpy(probabilities(part, **facts)) for part in (logits, target_logits))
    before, after = source.mean(0), method.priors(source, torch.as_tensor(labels), target)
    intercepts = torch.tensor(facts["intercepts"], dtype=torch.float64)
    intercepts += torch.from_numpy(log_shares(after * len(target)) - log_shares(before * len(source)))
    return {"temperature": facts["temperature"], "intercepts": intercepts, "priors": after}
