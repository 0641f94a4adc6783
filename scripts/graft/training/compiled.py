"""A network through torch.compile, where that works."""

import logging

import torch

logger = logging.getLogger("graft")


def compiled(model, example, device, precision):
    """`model` through torch.compile; as it is, with a line in the log, where a step on `example` fails.

    The step leaves no trace: neither gradients nor BatchNorm statistics.
    """
    fast, before = torch.compile(model), {name: value.clone() for name, value in model.state_dict().items()}
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            outputs = fast(example)
        sum(output.float().sum() for output in outputs.values()).backward()
    except Exception as error:  # any failure of the compiler: training needs none
        logger.info("torch.compile failed, training continues without it: %s", " ".join(str(error).split())[:300])
        return model
    finally:
        model.zero_grad(set_to_none=True)
        model.load_state_dict(before)
    return fast
