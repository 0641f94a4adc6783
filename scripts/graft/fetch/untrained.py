"""The untrained twin of a fetched backbone: the same architecture with random weights, to see what pretraining is worth."""

import shutil
from pathlib import Path

from graft.common.outputs import read_json, sha256_of_file, write_bytes, write_json
from graft.fetch import assets

OWN = (
    "model.safetensors",
    "head.safetensors",
    "backbone.json",
)  # of the base; all else, such as the tokenizer, is shared


def write_twin(name, base, entry, output_dir):
    """Write a backbone's folder beside that of its base.

    Parameters
    ----------
    name : str, the twin's name
    base : path of the base's backbone.json
    entry : dict, the twin's entry of the plan
    output_dir : path, where it belongs
    """
    with assets.new_folder(output_dir, "backbone.json", entry) as folder:
        if folder is None:
            return
        import torch
        from safetensors.torch import save

        from graft.networks import backbones

        base = Path(base)
        spec = read_json(base)
        for file in base.parent.iterdir():
            if file.is_file() and file.name not in OWN and not file.name.startswith("."):
                shutil.copyfile(file, folder / file.name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = backbones.library_module(backbones.build(spec, base.parent))
        state = {key: tensor.detach().clone().contiguous() for key, tensor in network.state_dict().items()}
        write_bytes(folder / "model.safetensors", save(state))
        own = {"name": name, "source": {"untrained": spec["name"]}, "revision": None, "files": {}}
        own |= {"weights": "model.safetensors", "weights_sha256": sha256_of_file(folder / "model.safetensors")}
        facts = {key: value for key, value in spec.items() if key != "head_sha256"} | own
        write_json(folder / "backbone.json", facts | assets.stamp(entry))
