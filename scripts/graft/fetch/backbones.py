"""From the source of a backbone to its folder, in one form for all libraries."""

import shutil
from pathlib import Path

from graft.common.outputs import sha256_of_file, write_bytes, write_json
from graft.fetch import assets


def fetch_backbone(name, entry, output_dir, lock_path):
    """Fetch a backbone into `output_dir`: backbone.json, model.safetensors and, for text, config and tokenizer.

    What the checkpoint has beside the embedding network, which zero-shot methods read, is in head.safetensors.

    Parameters and errors are those of `fetch_dataset`; in addition weights that do not fit the architecture, or hold
    NaN, are refused.
    """
    with assets.new_folder(output_dir, "backbone.json", entry) as folder:
        if folder is None:
            return
        want = assets.describe("backbone", name, entry, folder / "source", lock_path)
        known, files = assets.get(want, lock_path) if want.source else ({}, {})
        from graft.fetch.convert import convert  # loads torch: what is wrong with the source is said before
        from graft.networks.backbones import HEAD

        spec, weights, head, beside = convert(entry, Path(known.get("root", want.folder)))
        write_bytes(folder / "model.safetensors", weights)
        if head is not None:
            write_bytes(folder / HEAD, head)
            spec["head_sha256"] = sha256_of_file(folder / HEAD)
        for file, data in beside.items():
            write_bytes(folder / file, data)
        if "config" in spec:
            write_json(folder / "config.json", spec["config"])
        shutil.rmtree(want.folder)
        content = {
            "name": name,
            "library": entry["library"],
            **spec,
            "source": assets.said(want.source),
            "revision": known.get("revision"),
            "licence": entry.get("licence") or known.get("licence") or spec.get("licence"),
            "files": files,
            "weights": "model.safetensors",
            "weights_sha256": sha256_of_file(folder / "model.safetensors"),
        }
        write_json(folder / "backbone.json", content | assets.stamp(entry))
