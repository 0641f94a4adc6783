"""What is said about a folder's lock: whether the run that took it still runs."""

import json
import os
import socket

import pytest

from graft.common import run_lock


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text("a file\n")
    run_lock.note_holder(tmp_path)
    return tmp_path


def change(folder, **facts):
    """Change what is noted of the run that has the lock."""
    path = folder / run_lock.HOLDER
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def test_nothing_is_said_without_a_lock(folder):
    (folder / ".snakemake/locks/0.output.lock").unlink()
    assert run_lock.advice("unlock it", folder) == ""


def test_a_run_that_works_is_left_alone(folder):
    said = run_lock.advice("unlock it", folder)
    assert f"process {os.getpid()} on this machine" in said and "unlock it" not in said


def test_a_later_process_of_the_same_number_does_not_pass_for_the_run(folder):
    change(folder, began=0)
    assert "is gone" in run_lock.advice("unlock it", folder) and "unlock it" in run_lock.advice("unlock it", folder)


def test_of_another_machine_or_container_nothing_is_known(folder):
    for machine in (["elsewhere", ""], [socket.gethostname(), "pid:[1]"]):
        change(folder, machine=machine)
        said = run_lock.advice("unlock it", folder)
        assert "is gone" not in said and "If none runs any more: unlock it" in said and machine[0] in said


def test_a_lock_of_a_run_that_noted_nothing_is_explained(folder):
    (folder / run_lock.HOLDER).unlink()
    assert "If none runs any more: unlock it" in run_lock.advice("unlock it", folder)
