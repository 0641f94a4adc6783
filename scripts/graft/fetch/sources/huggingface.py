"""Repositories of the Hugging Face hub, through its own library (HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_HOME)."""

import os
import shutil
from pathlib import Path

import huggingface_hub
from huggingface_hub import errors as hub
from huggingface_hub.utils import filter_repo_objects

from graft.common.errors import UserError, first_line

CODE = ["*.py", "*.ipynb", "*.sh", "*.so", ".git*"]
ELSEWHERE = ["onnx/*", "openvino/*", "coreml/*", "*.onnx", "*.msgpack", "*.h5", "*.ot"]  # other frameworks' copies
DESCRIPTION = ["*.json", "*.txt", "*.model", "README.md"]


def asset(want):
    return f"huggingface {want.source['huggingface']}@{want.source.get('revision') or 'main'}"


def fetch(want):
    """Copy the snapshot of one commit; a model's safetensors in preference to its pickled weights, never code."""
    wanted = want.source.get("files")
    if want.kind == "dataset":
        snapshot = _snapshot(want, wanted or ["*"], CODE)
    elif wanted:
        snapshot = _snapshot(want, [*wanted, *DESCRIPTION], CODE)
    else:
        snapshot = _snapshot(want, [*DESCRIPTION, "*.safetensors"], CODE + ELSEWHERE)
        if not list(want.folder.rglob("*.safetensors")):
            snapshot = _snapshot(want, [*DESCRIPTION, "*.bin", "*.pth", "*.pt"], CODE + ELSEWHERE)
    return {"revision": snapshot.name, "commit": snapshot.name}


def _snapshot(want, allow, ignore):
    """Copy the wanted files; the snapshot's folder in the hub's own cache, which is named after the commit."""
    name = want.source["huggingface"]
    revision = want.pinned or want.source.get("revision") or "main"
    where = f"{want.kind}s.{want.name}.source"
    try:
        folder = huggingface_hub.snapshot_download(
            name,
            repo_type="dataset" if want.kind == "dataset" else "model",
            revision=revision,
            allow_patterns=allow,
            ignore_patterns=ignore,
            endpoint=os.environ.get("HF_ENDPOINT"),
        )
    except hub.GatedRepoError as error:
        raise UserError(
            f"the hub's '{name}' is gated", where=where, hint="accept its terms on its page, then set HF_TOKEN"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise UserError(
            f"the hub's '{name}' has no revision '{revision}'", where=where, hint="give a branch, tag or commit"
        ) from error
    except hub.RepositoryNotFoundError as error:
        raise UserError(
            f"the hub has no '{name}', or it is private",
            where=where,
            hint="check the name; for private ones set HF_TOKEN",
        ) from error
    except hub.LocalEntryNotFoundError as error:
        reason = first_line(error.__cause__ or error)
        raise UserError(
            f"the hub cannot be reached, and its cache does not hold '{name}' at {revision} ({reason})",
            where=where,
            hint="check the network and HF_HUB_OFFLINE, or fetch once where there is a network and share HF_HOME",
        ) from error
    except (hub.HfHubHTTPError, hub.HTTPError, OSError, ValueError) as error:
        raise UserError(f"the hub did not give '{name}' at {revision} ({first_line(error)})", where=where) from error
    _copy(Path(folder), want.folder, allow, ignore)
    return Path(folder)


def _copy(snapshot, folder, allow, ignore):
    """Copy the files asked for; an earlier, wider snapshot may have left more in the hub's cache."""
    names = [path.relative_to(snapshot).as_posix() for path in sorted(snapshot.rglob("*")) if path.is_file()]
    for name in filter_repo_objects(names, allow_patterns=allow, ignore_patterns=ignore):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(snapshot / name, folder / name)
