"""What runs a network forward: OpenVINO on CPUs, torch on GPUs and where converting does not pay.

An engine has

* `made_by`: dict with engine and precision, a part of the key under which the store keeps what it computes,
* `batch`: how many samples, and how many tokens of texts, it runs at once,
* `run(inputs, indices, views=None) -> float32 array, shape (n, ...)`: the network's output for some of the inputs (see
  input_batches); `views` are augmentations, one per index,
* `start(inputs, indices, views=None) -> callable that gives this array`: so that a GPU has the next batch before the last one is
  waited for.

Whether OpenVINO runs a network is a plain rule, never a stopwatch: on a CPU, a pretrained one always, since a lab embeds with it
again and again; one that was trained here from so many samples on that converting it takes less time than it saves.
"""

from importlib.util import find_spec

from graft.common.errors import UserError

CONVERTS_FROM = {"depthwise": 500, "other": 2000}  # samples: converting takes as long as about 300 forward passes


def open_engine(
    backbone,
    store,
    few,
    samples,
    pixels=None,
    engine="torch",
    precision="fp32",
    device=None,
    threads=1,
    layout="channels_last",
):
    """The engine of a backbone. No network is loaded before something must be run, or converted.

    Parameters
    ----------
    backbone : SimpleNamespace with spec, folder, weights (digest) and network() -> Module; converts_from, if it was trained here
    store : Store, where converted networks are kept
    few : callable -> Inputs of a handful of samples, with which a network is tried in bfloat16 and converted
    samples : int, of the data set
    pixels : dict, how its pixels are scaled (see input_batches.pixel_scale); None for texts
    engine : 'auto', 'openvino' or 'torch'
    precision : 'bf16' or 'fp32'
    device : torch.device; None: the CPU
    """
    if wanted(engine, device, getattr(backbone, "converts_from", 0), samples) == "openvino":
        from graft.embedding.engines.openvino import open_converted

        if (converted := open_converted(backbone, pixels, store, few, precision, threads)) is not None:
            return converted
    from graft.embedding.engines.torch import open_torch

    return open_torch(backbone, pixels, store, few, precision, device, threads, layout)


def wanted(engine, device, converts_from, samples):
    """The engine by the rule: 'openvino' or 'torch'."""
    if device is not None and device.type != "cpu":
        return "torch"
    installed = find_spec("openvino") is not None
    if engine == "openvino" and not installed:
        raise UserError(
            "OpenVINO is not installed", where="device.engine", hint="pip install openvino, or `engine: auto`"
        )
    if engine == "auto":
        return "openvino" if installed and samples >= converts_from else "torch"
    return engine


def converts_from(state):
    """From how many samples on converting a network that was trained here pays; `state` is its state dict."""
    depthwise = any(one.ndim == 4 and one.shape[1] == 1 < one.shape[0] for one in state.values())
    return CONVERTS_FROM["depthwise" if depthwise else "other"]
