"""Hold a distilled student against its teacher: agreement, metrics, and what each costs."""

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from graft.common.job import job
from graft.common.outputs import read_json, write_json
from graft.data.samples import read_manifest
from graft.ensembles.members import embeds, members_of
from graft.evaluation.metrics import agreement
from graft.networks import network
from graft.targets.predictions import SPLITS


def main(teacher, student, samples, output):
    """Write agreement.json; `teacher` and `student` are dicts with the paths model, predictions and metrics."""
    ours, theirs = (pd.read_parquet(one["predictions"]).set_index("sample_id") for one in (student, teacher))
    theirs = theirs.reindex(ours.index)
    ours, theirs = (one.assign(predicted=_comparable(one["predicted"])) for one in (ours, theirs))
    groups = read_manifest(samples).frame.set_index("sample_id")["sampling_unit"].reindex(ours.index).to_numpy()
    rows = {split: (ours["split"] == split).to_numpy() for split in SPLITS}
    write_json(
        output,
        {
            "teacher": facts_of(teacher),
            "student": facts_of(student),
            "agreement": {
                split: agreement(
                    ours["predicted"][chosen].to_numpy(), theirs["predicted"][chosen].to_numpy(), groups[chosen]
                )
                for split, chosen in rows.items()
                if chosen.any()
            },
        },
    )


def _comparable(predicted):
    """Several labels as one tuple."""
    return predicted.map(lambda one: tuple(one) if isinstance(one, np.ndarray) else one)


def facts_of(one):
    """Name, cost of one forward (FLOPs counted by torch, a multiply-add as two) and test metrics of a trained model.

    Of an ensemble the cost is that of its members' networks, those with the same weights once, and the input the largest.
    """
    content, costs = network.load(one["model"]), {}
    for _, answering in members_of(one["model"], content):
        if (same := embeds(answering)) not in costs:
            costs[same] = cost_of(answering)
    summed = {key: sum(cost[key] for cost in costs.values()) for key in ("parameters", "flops", "bytes")}
    return {
        "name": content["name"],
        "seed": content["seed"],
        **summed,
        "input": max(cost["input"] for cost in costs.values()),
        "metrics": read_json(one["metrics"]).get("test", {}),
    }


def cost_of(content):
    """Parameters, FLOPs and bytes of one network, and the size of its input."""
    model, preprocessing = network.from_dict(content), content["transform"]
    return {
        "parameters": sum(value.numel() for value in model.parameters()),
        "flops": count_flops(model, content["backbone"]),
        "bytes": sum(value.numel() * value.element_size() for value in content["state_dict"].values()),
        "input": preprocessing.get("size") or preprocessing.get("max_length") or content["backbone"]["width"],
    }


@torch.inference_mode()
def count_flops(model, spec):
    """Floating point operations of one forward of one sample of full size."""
    preprocessing = spec["preprocessing"]
    if spec["modality"] == "image":
        inputs = torch.zeros(1, spec.get("bands", 3), preprocessing["size"], preprocessing["size"])
    elif spec["modality"] == "text":
        ids = torch.zeros(1, preprocessing["max_length"], dtype=torch.int64)
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    else:
        inputs = torch.zeros(1, spec["width"])
    with FlopCounterMode(display=False) as counter:
        model(inputs)
    return counter.get_total_flops()


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            teacher={name: snakemake.input[f"teacher_{name}"] for name in ("model", "predictions", "metrics")},
            student={name: snakemake.input[name] for name in ("model", "predictions", "metrics")},
            samples=snakemake.input.samples,
            output=snakemake.output.agreement,
        )
