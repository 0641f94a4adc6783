"""A store that several users and workflows use at once: file modes, writers side by side, and one that is only read."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from clear_store import main as clear_store
from gated import LONG, wait_for
from graft import config as graft_config
from graft.common.errors import UserError
from graft.common.outputs import sha256_of
from graft.store import DAY, Store
from running import ROOT

WIDTH = 64
# Appends eight values at a time, from FIRST to below LAST, and reads them all again at the end.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from graft.common.outputs import sha256_of
from graft.store import Store

root, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
table = Store(root).table("embeddings", (64,), np.float32, weights="w")
for start in range(first, last, 8):
    if Path(f"{root}.enough").exists():
        last = start
        break
    numbers = range(start, start + 8)
    table.append([sha256_of(str(n)) for n in numbers], np.float32([[n] * 64 for n in numbers]))
assert (table.read([sha256_of(str(n)) for n in range(first, last)])[:, 0] == np.arange(first, last)).all()
"""


def contents(numbers):
    return [sha256_of(str(n)) for n in numbers]


def values(numbers):
    return np.float32([[n] * WIDTH for n in numbers])


def table_of(store, weights="w"):
    return store.table("embeddings", (WIDTH,), np.float32, weights=weights)


def fill(store, numbers, weights="w"):
    table = table_of(store, weights)
    table.append(contents(numbers), values(numbers))
    return table.folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """Set this process's umask; it is set back after the test."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("root_mode", "folder", "file"), [(0o2770, 0o2770, 0o660), (0o2775, 0o2775, 0o664)])
def test_what_is_made_in_a_folder_of_the_group_is_open_to_the_group_whatever_the_umask(
    tmp_path, umask, root_mode, folder, file
):
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(root_mode)
    umask(0o077)
    fill(Store(root), range(8))
    found = list(root.rglob("*"))
    assert {path.suffix or path.name for path in found} >= {"embeddings", ".json", "used", ".arrow"}
    assert {mode(path) for path in found if path.is_dir()} == {folder}
    assert {mode(path) for path in found if path.is_file()} == {file}
    assert umask(0o077) == 0o077


def test_what_is_made_in_a_folder_of_ones_own_follows_the_umask(tmp_path, umask):
    umask(0o077)
    fill(Store(tmp_path / "store"), range(8))
    assert {mode(path) & 0o077 for path in (tmp_path / "store").rglob("*")} == {0}


def as_user(number, group, act):
    """Call `act` as another user, who is a member of `group`; whether that went well."""
    child = os.fork()
    if not child:
        try:
            os.setgroups([group])
            os.setgid(number)
            os.setuid(number)
            os.umask(0o077)
            act()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_two_users_of_a_group_add_to_one_table_mark_it_used_and_clear_it():
    group, one, other = 54321, 54322, 54323
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder, "store")
        root.mkdir()
        os.chown(root, one, group)
        root.chmod(0o2770)
        assert as_user(one, group, lambda: fill(Store(root), range(8)))
        assert as_user(other, group, lambda: fill(Store(root), range(8, 16)))
        assert as_user(one, group, lambda: table_of(Store(root)).read(contents(range(16))))
        assert {path.stat().st_gid for path in root.rglob("*")} == {group}
        assert len({path.stat().st_uid for path in root.rglob("*.arrow")}) == 2
        assert as_user(other, group, lambda: Store(root).keep_only(lambda kind, key: False))
        assert not list(root.rglob("*.arrow"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_a_user_who_may_not_write_into_a_shared_store_reads_it():
    user = 54322
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        lab, own = Path(folder, "lab"), Path(folder, "own")
        fill(Store(lab), range(8))
        own.mkdir()
        os.chown(own, user, user)
        assert as_user(user, user, lambda: fill(Store(own, shared=lab), range(8, 12)))
        assert as_user(user, user, lambda: table_of(Store(own, shared=lab)).read(contents(range(12))))
        assert not as_user(user, user, lambda: table_of(Store(lab)))


def start_writer(root, first, last):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, root, str(first), str(last)], env=environment, stderr=subprocess.PIPE, text=True
    )


def ended(writers):
    """Wait for the writers; what those that failed said."""
    said = [writer.communicate(timeout=LONG)[1] for writer in writers]
    return [text for writer, text in zip(writers, said, strict=True) if writer.returncode]


def test_values_of_processes_that_append_side_by_side_are_all_there_although_one_was_killed(tmp_path):
    cut_off = start_writer(tmp_path, 10_000, 10_000_000)
    wait_for_shards(tmp_path, 5)
    writers = [start_writer(tmp_path, first, first + 400) for first in (0, 0, 400)]  # two of them write the same
    wait_for_shards(tmp_path, 50)
    cut_off.send_signal(signal.SIGKILL)
    cut_off.communicate()
    assert ended(writers) == []
    table = table_of(Store(tmp_path))
    assert np.array_equal(table.read(contents(range(800))), values(range(800)))
    lost = set(table.missing(contents(range(10_000, 40_000))))
    survived = [n for n in range(10_000, 40_000) if sha256_of(str(n)) not in lost]
    assert len(survived) >= 5 * 8 and len(survived) % 8 == 0
    assert np.array_equal(table.read(contents(survived)), values(survived))


def wait_for_shards(root, count):
    wait_for(lambda: len(list(root.rglob("*.arrow"))) >= count, f"{count} shards lay in the store")


def test_who_has_a_table_open_goes_on_while_it_is_cleared_again_and_again(tmp_path):
    root, cleared = tmp_path / "store", 0
    writers = [start_writer(root, first, first + 1_000_000) for first in (0, 1_000_000)]
    while all(writer.poll() is None for writer in writers) and cleared < 20:
        cleared += Store(root).keep_only(lambda kind, key: False)[0] > 0
    Path(f"{root}.enough").touch()
    assert ended(writers) == [] and cleared == 20
    Store(root).keep_only(lambda kind, key: False)
    assert not list(root.rglob("*.arrow"))  # none that no later clearing would see


def test_values_whose_shard_is_cleared_as_soon_as_it_is_written_can_still_be_read(tmp_path, monkeypatch):
    table, write = table_of(Store(tmp_path)), Store.write

    def write_and_clear(store, *arguments):
        write(store, *arguments)
        Store(tmp_path).keep_only(lambda kind, key: False)

    monkeypatch.setattr(Store, "write", write_and_clear)
    table.append(contents(range(8)), values(range(8)))
    assert not list(tmp_path.rglob("*.arrow"))
    assert np.array_equal(table.read(contents(range(8))), values(range(8)))


def test_a_table_that_is_cleared_just_before_it_is_listed_is_empty(tmp_path, monkeypatch):
    folder, list_of = fill(Store(tmp_path), range(8)), os.scandir

    def clear_and_list(path="."):
        if str(path).startswith(str(folder)) and folder.exists():
            folder.rename(tmp_path / "gone")
        return list_of(path)

    monkeypatch.setattr(os, "scandir", clear_and_list)
    table = table_of(Store(tmp_path))
    assert not folder.exists() and table.missing(contents(range(8))) == contents(range(8))
    assert Store(tmp_path).tables() == []


def test_nothing_is_read_from_an_empty_table(tmp_path):
    assert table_of(Store(tmp_path)).read([]).shape == (0, WIDTH)


def test_a_table_that_another_job_clears_while_room_is_made_is_no_fault(tmp_path, monkeypatch):
    store = Store(tmp_path, max_gb=1e-5)
    for weights in ("a", "b", "c"):
        fill(store, range(8), weights)
    seen = store.tables()
    Store(tmp_path).keep_only(lambda kind, key: key["weights"] == "c")
    monkeypatch.setattr(Store, "tables", lambda self: seen)
    fill(store, range(30), "d")
    assert not table_of(store, "d").missing(contents(range(30)))


def test_what_a_killed_clearing_or_writer_left_goes_with_the_next_clearing(tmp_path):
    folder = fill(Store(tmp_path), range(8))
    half = folder.with_name(f".{folder.name}.half")
    half.mkdir()
    (half / "key.json").write_text("{}")
    old, new = folder / ".a.arrow.x.tmp", folder / ".b.arrow.y.tmp"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * DAY,) * 2)
    assert Store(tmp_path).tables() == [folder]
    Store(tmp_path).keep_only(lambda kind, key: True)
    assert not half.exists() and not old.exists() and new.exists() and folder.exists()


def listing(root):
    """Everything under `root`: kind, size and time of the last change."""
    return {path: (path.is_dir(), path.stat().st_size, path.stat().st_mtime_ns) for path in [root, *root.rglob("*")]}


@pytest.fixture
def shared(tmp_path):
    """A store of the lab with the values 0 to 7, which must not change while the test runs."""
    root = tmp_path / "lab"
    fill(Store(root), range(8))
    everything = [root, *root.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = listing(root)
    yield root
    assert listing(root) == before
    for path in everything:
        path.chmod(0o755)


def test_values_are_looked_for_in_both_stores_and_written_into_the_private_one(tmp_path, shared):
    store = Store.of({"path": str(tmp_path / "own"), "max_gb": 1, "shared": str(shared)})
    table = table_of(store)
    assert table.missing(contents(range(12))) == contents(range(8, 12))
    table.append(contents(range(8, 12)), values(range(8, 12)))
    assert np.array_equal(table_of(store).read(contents(range(12))), values(range(12)))
    (shard,) = (tmp_path / "own").rglob("*.arrow")
    assert np.array_equal(table_of(Store(tmp_path / "own")).read(contents(range(8, 12))), values(range(8, 12)))
    assert store.size() == shard.stat().st_size


def test_a_damaged_shard_of_a_shared_store_is_left_alone_and_its_values_are_missing(tmp_path, shared):
    (shard,) = shared.rglob("*.arrow")
    whole, times = shard.read_bytes(), shard.stat()
    shard.chmod(0o644)
    shard.write_bytes(whole[:100])
    assert table_of(Store(tmp_path / "own", shared=shared)).missing(contents(range(8))) == contents(range(8))
    assert shard.read_bytes() == whole[:100]
    shard.write_bytes(whole)
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_neither_a_clearing_nor_the_size_limit_touches_a_shared_store(tmp_path, shared):
    store = Store(tmp_path / "own", max_gb=3e-5, shared=shared)
    for weights in "abc":
        fill(store, range(60), weights)
    assert 0 < store.size() <= 3e4
    store.keep_only(lambda kind, key: False)
    assert store.size() == 0


def test_a_private_store_that_cannot_be_written_is_a_users_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match=r"(?s)nothing can be written.*store\.shared"):
        table_of(Store(tmp_path / "file"))


def config_with(store):
    return {
        "datasets": {"cells": {"source": {"path": "cells"}}},
        "finetune": {"solar": {"dataset": "cells", "backbone": "effnet-lite0"}},
        "store": store,
    }


def test_in_a_store_of_several_users_a_clearing_spares_what_was_used_lately(tmp_path):
    root = tmp_path / "store"
    lately, long_ago = (fill(Store(root), range(8), weights) for weights in ("lately", "long ago"))
    os.utime(long_ago / "used", (time.time() - 31 * DAY,) * 2)
    root.chmod(0o2775)
    config = graft_config.load(config_with({"path": str(root)}))
    assert clear_store([config], tmp_path, tmp_path)[1] == 1
    assert lately.exists() and not long_ago.exists()
    assert clear_store([config], tmp_path, tmp_path, unused_days=0)[1] == 0
    assert not lately.exists()


def test_in_a_store_of_ones_own_a_clearing_spares_nothing(tmp_path):
    folder = fill(Store(tmp_path / "store"), range(8))
    (tmp_path / "store").chmod(0o755)
    clear_store([graft_config.load(config_with({"path": str(tmp_path / "store")}))], tmp_path, tmp_path)
    assert not folder.exists()


@pytest.mark.parametrize(("shared", "said"), [("nowhere", "there is no folder"), ("own", "is the same folder")])
def test_a_shared_store_that_is_not_there_or_is_the_private_one_is_said_before_any_job(tmp_path, shared, said):
    (tmp_path / "own").mkdir()
    with pytest.raises(UserError, match=rf"(?s)store\.shared.*{said}|{said}.*store\.shared"):
        graft_config.load(config_with({"path": str(tmp_path / "own"), "shared": str(tmp_path / shared)}))
