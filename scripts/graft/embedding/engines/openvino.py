"""Networks run forward by OpenVINO: converted once per weights, kept in the store, run without torch.

A converted network takes pixels as the store has them and scales them itself. In bfloat16 it is taken only if its outputs are close
to those in float32. Where they are not, its thin convolutions are tried in float32 (they sum few products, so that rounding does
not average out), and then all of it.
"""

import logging
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from graft.common.device import processor
from graft.common.errors import UserError, first_line
from graft.common.outputs import sha256_of
from graft.embedding.engines.verdicts import CLOSE, FEW, closeness, verdict_on

logger = logging.getLogger("graft")
MIXED = "bf16, thin convolutions fp32"
HINT = {"bf16": "bf16", MIXED: "bf16", "fp32": "f32"}  # precision -> OpenVINO's name for it
TRIED = {"bf16": ("bf16", MIXED, "fp32"), "fp32": ("fp32",)}  # precision that is asked for -> those to try, in order
THIN = 32  # input channels of a convolution up to which it is thin; a depthwise one has one per group
NOTHING = {"precision": None, "network": None, "cosine": None}
ELEMENTWISE = {"Add", "Subtract", "Multiply", "Clamp", "Relu", "Swish", "HSwish", "Gelu", "Sigmoid"}


class Converted:
    """An engine (see graft.embedding.engines): a converted network, of which `digest` names the two files in `folder`."""

    batch = (32, 4096)

    def __init__(self, folder, digest, precision, threads):
        self.path, self.digest = Path(folder) / f"{digest[:32]}.xml", digest
        self.precision, self.threads = precision, threads
        self.made_by = {"engine": "openvino", "precision": precision}
        self._requests = {}

    def run(self, inputs, indices, views=None):
        values = inputs.arrays(indices) if views is None else inputs.augmented(indices, views)
        values = in_order(values)
        request = self._request(values[0].dtype)
        request.infer(values)
        return np.array(request.get_output_tensor(0).data, np.float32)

    def start(self, inputs, indices, views=None):
        found = self.run(inputs, indices, views)  # the processor computes all of it: there is nobody to wait for
        return lambda: found

    def _request(self, dtype):
        if dtype not in self._requests:
            weights = self.path.with_suffix(".bin")
            try:
                digest = sha256_of(self.path.read_bytes(), weights.read_bytes())
            except FileNotFoundError:  # another job needed the room just now
                hint = "run the workflow again; a larger store.max_gb avoids this"
                raise UserError(
                    "the converted network was cleared from the store", str(self.path), None, hint
                ) from None
            if digest != self.digest:
                hint = "delete the folder, and run the workflow again"
                raise UserError("is not the network that was converted", where=str(self.path), hint=hint)
            ov = library()
            core = ov.Core()
            model = core.read_model(str(self.path), str(weights))
            if dtype == np.uint8:
                steps = ov.preprocess.PrePostProcessor(model)
                steps.input().tensor().set_element_type(ov.Type.u8)
                model = steps.build()
            settings = {"INFERENCE_PRECISION_HINT": HINT[self.precision], "INFERENCE_NUM_THREADS": max(1, self.threads)}
            # Pinned, the jobs that run beside each other would all be on the first cores.
            settings |= {"NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
            self._requests[dtype] = core.compile_model(model, "CPU", settings).create_infer_request()
        return self._requests[dtype]


def library():
    """OpenVINO without its reports of use, which it sends through a package that it can do without."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def in_order(values):
    """A batch's arrays in the order of the network's inputs; pixels of more than 8 bits as float32."""
    values = [values[name] for name in sorted(values)] if isinstance(values, dict) else [values]
    return [one if one.dtype in (np.uint8, np.int64) else one.astype(np.float32) for one in values]


def open_converted(backbone, pixels, store, few, precision, threads):
    """The engine of a backbone, from the store or converted now; None, with a line in the log, where torch must run it.

    Parameters
    ----------
    backbone, store, few, precision, threads : see engines.open_engine
    pixels : dict, how its pixels are scaled (see input_batches.pixel_scale); None for texts
    """

    def make():
        logger.info("converting the network for OpenVINO, once")
        inputs, network = few(), backbone.network().eval()
        try:
            return convert(network, pixels, inputs, precision, threads)
        except MemoryError:  # which another job may have to spare
            raise
        except Exception as error:  # whatever the network does that OpenVINO does not know
            return {}, NOTHING | {"why": f"OpenVINO cannot convert it ({first_line(error)})"}

    on = {"processor": processor(), "openvino": version("openvino")}
    folder, verdict = verdict_on(backbone, pixels, precision, store, make, **on)
    if verdict["precision"] is None:
        logger.info("torch runs the network, since %s", verdict["why"])
        return None
    return Converted(folder, verdict["network"], verdict["precision"], threads)


def convert(network, pixels, inputs, precision, threads):
    """Convert a network of torch, and try which precision is close enough to float32.

    Returns
    -------
    files : dict, name -> bytes: the network and its weights; empty if none was close enough
    verdict : dict, see `verdicts`
    """
    import torch

    from graft.common.job import pin_threads
    from graft.embedding.engines.whole import Whole

    pin_threads(threads)
    few = np.arange(min(FEW, len(inputs.lengths)))
    arrays = inputs.arrays(few)
    whole = Whole(network, sorted(arrays) if isinstance(arrays, dict) else None, pixels).eval()
    examples = [torch.from_numpy(one) for one in in_order(arrays)]
    examples = [one if one.dtype == torch.int64 else one.float() for one in examples]
    with torch.inference_mode():
        exact = whole(*examples).float().numpy()
    with tempfile.TemporaryDirectory(prefix="graft-") as folder:
        plain = _saved(_traced(whole, examples), Path(folder) / "network.xml")
        tried = []
        for one in TRIED[precision]:
            graph = with_thin(plain[0]) if one == MIXED else plain[0]
            if graph is None:
                continue
            files = dict(zip((".xml", ".bin"), (graph, plain[1]), strict=True))
            digest = sha256_of(*files.values())
            for suffix, data in files.items():
                (Path(folder) / f"{digest[:32]}{suffix}").write_bytes(data)
            cosine = closeness(Converted(folder, digest, one, threads), inputs, few, exact)
            tried.append(f"{one} {cosine:.5f}")
            if cosine >= CLOSE:
                logger.info("cosine with float32, of %d samples: %s", len(few), ", ".join(tried))
                verdict = {"precision": one, "network": digest, "cosine": cosine, "why": None}
                return {f"{digest[:32]}{suffix}": data for suffix, data in files.items()}, verdict
    return {}, NOTHING | {"why": f"its cosine with float32 is below {CLOSE} ({', '.join(tried)})"}


def _traced(whole, examples):
    """The network as a model of OpenVINO, for any number of samples and of tokens."""
    import torch

    ov = library()
    from openvino._offline_transformations import apply_moc_transformations

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # tracing is deprecated in torch, and OpenVINO has no other way for dynamic shapes
        traced = torch.jit.trace(whole, tuple(one[:2] for one in examples), check_trace=False, strict=False)
        model = ov.convert_model(traced, example_input=tuple(one[:2] for one in examples))
    if len(model.inputs) != len(examples):
        raise ValueError("it does not read all of its inputs")
    shapes = [[-1, -1] if one.ndim == 2 else [-1, *one.shape[1:]] for one in examples]
    model.reshape({place: ov.PartialShape(shape) for place, shape in enumerate(shapes)})
    apply_moc_transformations(model, True)  # padding becomes part of its convolution, so that `with_thin` finds both
    return model


def _saved(model, path):
    library().save_model(model, str(path), compress_to_fp16=False)
    return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def with_thin(graph):
    """The graph (bytes of XML) with its thin convolutions, and all that is done to single numbers, in float32; None if it has no such convolution."""
    tree = ElementTree.fromstring(graph)
    thin = False
    for layer in tree.iter("layer"):
        is_thin = layer.get("type") == "GroupConvolution" or (
            layer.get("type") == "Convolution" and _channels(layer) <= THIN
        )
        if is_thin or layer.get("type") in ELEMENTWISE:
            thin |= is_thin
            info = layer.find("rt_info")
            info = ElementTree.SubElement(layer, "rt_info") if info is None else info
            # The mark that OpenVINO itself writes where an operation must not lose digits.
            ElementTree.SubElement(
                info, "attribute", name="DisablePrecisionConversion", version="0", value="dynamic:f16"
            )
    return ElementTree.tostring(tree) if thin else None


def _channels(layer):
    """Input channels of a convolution's weights, whose shape is (outputs, inputs, height, width)."""
    return int(layer.find("input").findall("port")[1].findall("dim")[1].text)
