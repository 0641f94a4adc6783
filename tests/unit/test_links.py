"""Links that lead out of a data set's folder are refused, unless the user says that they are their own."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.common.errors import UserError
from graft.config import load
from graft.data.readers import complete, opener
from tiny_data import image_folder, prepared, write_lines


def settings(root, links):
    """An entry whose hint was followed, or not; as the config fills it in."""
    source = {"path": str(root), **({"links": links} if links else {})}
    return {"source": load({"datasets": {"d": {"source": source}}})["datasets"]["d"]["source"]}


def linked_files(tmp_path):
    image_folder(tmp_path / "store")
    for path in (tmp_path / "store").glob("*/*.png"):
        link = tmp_path / "data" / path.parent.name / path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    return tmp_path / "data", {}


def linked_folders(tmp_path):
    image_folder(tmp_path / "store")
    (tmp_path / "data").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "store" / name)
    return tmp_path / "data", {}


def linked_table(tmp_path):
    for name in ("store", "data"):
        (tmp_path / name).mkdir()
    write_lines(tmp_path / "store", "id,text,label", *(f"s{i},text {i},{'ab'[i % 2]}" for i in range(12)), name="5f3a")
    (tmp_path / "data" / "t.csv").symlink_to(tmp_path / "store" / "5f3a")
    return tmp_path / "data", {"columns": {"text": "text", "id": "id"}}


def linked_parquet(tmp_path):
    for name in ("store", "data"):
        (tmp_path / name).mkdir()
    pq.write_table(pa.table({"text": [f"t{i}" for i in range(12)], "label": ["a", "b"] * 6}), tmp_path / "store" / "b1")
    (tmp_path / "data" / "t.parquet").symlink_to(tmp_path / "store" / "b1")
    return tmp_path / "data", {}


def linked_arrays(tmp_path):
    for name in ("store", "data"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "store" / "a.npz", X=np.eye(12), y=np.arange(12) % 2)
    (tmp_path / "data" / "a.npz").symlink_to(tmp_path / "store" / "a.npz")
    return tmp_path / "data", {}


@pytest.mark.parametrize("make", [linked_files, linked_folders, linked_table, linked_parquet, linked_arrays])
def test_links_out_of_the_folder_are_refused_and_the_hint_works(tmp_path, make):
    root, entry = make(tmp_path)
    with pytest.raises(UserError, match="leads out of the data set's folder") as error:
        prepared(root, **entry, **settings(root, None))
    assert "source: {path: .., links: follow}" in str(error.value)
    entry |= settings(root, "follow")
    found = prepared(root, **entry)
    assert len(found.frame) == 12
    load = opener(complete(entry), root)
    for row in found.frame.itertuples():
        load(row.path, row.row, row.content_sha256)


def test_paths_that_lead_out_by_their_letters_are_refused_even_where_links_are_followed(tmp_path):
    image_folder(tmp_path / "store")
    (tmp_path / "data").mkdir()
    rows = [f"{tmp_path}/store/{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(6)]
    write_lines(tmp_path / "data", "path,label", *rows)
    for path in (rows, [f"../store/{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(6)]):
        write_lines(tmp_path / "data", "path,label", *path)
        with pytest.raises(UserError, match="12 paths that lead out"):
            prepared(tmp_path / "data", table="t.csv", **settings(tmp_path / "data", "follow"))


def test_only_folders_of_the_users_have_links_to_follow():
    with pytest.raises(UserError, match="links"):
        load({"datasets": {"d": {"source": {"url": "https://example.org/a.zip", "links": "follow"}}}})
