"""Weights that timm names by a tag: from the hub (safetensors), otherwise from timm's URL."""

from types import SimpleNamespace

from graft.common.errors import UserError, did_you_mean
from graft.fetch.download import download
from graft.fetch.sources import huggingface
from graft.fetch.sources.url import file_name


def asset(want):
    return f"timm {want.entry['architecture']}.{want.source['timm']}@{want.source.get('revision') or 'main'}"


def fetch(want):
    """Ask timm where the weights of architecture and tag are, and get them there."""
    import timm

    name, tag = want.entry["architecture"], want.source["timm"]
    tags = [full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*")]
    if tag not in tags:
        raise UserError(
            f"timm has no weights '{tag}' of {name}",
            where=f"backbones.{want.name}.source.timm",
            allowed=", ".join(tags) or "none for this architecture",
            hint=did_you_mean(tag, tags),
        )
    known = timm.get_pretrained_cfg(f"{name}.{tag}")
    if known.hf_hub_id:
        source = {"huggingface": known.hf_hub_id, "revision": want.source.get("revision")}
        if known.hf_hub_filename:
            source["files"] = [known.hf_hub_filename]
        found = huggingface.fetch(SimpleNamespace(**{**vars(want), "source": source}))
        return {"licence": known.license, **{key: value for key, value in found.items() if value}}
    if not known.url or known.url.endswith(".npz"):
        raise UserError(f"timm has no address for {name}.{tag}", where=f"backbones.{want.name}.source.timm")
    download(known.url, want.folder / file_name(known.url), parts=want.cache)
    return {"revision": tag, "licence": known.license}
