"""Resumable state: the newest whole one of this run, and no other."""

from graft.training.state import StateFiles


def saved(folder):
    """Save steps 0 to 3, and give the file of the last."""
    state = StateFiles(folder, "f")
    for step in range(3):
        state.save({"step": step})
    before = {path: path.read_bytes() for path in folder.iterdir()}
    state.save({"step": 3})
    return next(path for path in folder.iterdir() if path.read_bytes() != before[path])


def test_the_newest_state_comes_back(tmp_path):
    state = StateFiles(tmp_path, "f")
    for step in range(5):
        state.save({"step": step})
    assert StateFiles(tmp_path, "f").load() == {"step": 4}


def test_a_garbled_newest_state_falls_back_to_the_one_before(tmp_path):
    newest = saved(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-7] + b"garbage")
    assert StateFiles(tmp_path, "f").load() == {"step": 2}


def test_saving_after_a_fall_back_never_overwrites_the_only_good_state(tmp_path):
    newest = saved(tmp_path)
    newest.write_bytes(b"")
    again = StateFiles(tmp_path, "f")
    assert again.load() == {"step": 2}
    again.save({"step": 10})
    assert newest.stat().st_size > 0
    assert StateFiles(tmp_path, "f").load() == {"step": 10}


def test_state_of_other_settings_is_refused(tmp_path, caplog):
    StateFiles(tmp_path, "f").save({"step": 1})
    with caplog.at_level("INFO", logger="graft"):
        assert StateFiles(tmp_path, "g").load() is None
    assert "other data, settings or code" in caplog.text


def test_clear_leaves_nothing(tmp_path):
    state = StateFiles(tmp_path / "state", "f")
    state.save({"step": 1})
    state.clear()
    assert not (tmp_path / "state").exists()
