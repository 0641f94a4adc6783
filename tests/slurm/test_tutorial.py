"""The tutorial about clusters, typed on a real Slurm."""

from slurm.conftest import SITE
from tutorials.reader import TUTORIALS, checkout, expect, work_through


def test_a_reader_on_a_login_node_sees_what_the_tutorial_shows(cluster, tmp_path):
    folder = checkout(tmp_path / "graft")
    profile = folder / "profiles/slurm/config.yaml"
    profile.write_text(profile.read_text() + SITE)
    work_through(TUTORIALS / "cluster.md", folder, expect, {**cluster.env, "OMP_NUM_THREADS": "1"})
