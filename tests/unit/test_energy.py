"""The energy of jobs, from counters as Linux and NVIDIA's driver have them: what is counted, and that no number is made up."""

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from graft.common import energy
from graft.report.job_costs import costs_of_models, energy_of, watt_hours
from running import ROOT

LARGEST = 262143328850  # of a real processor, in microjoules


def zone(folder, name, count, called="package-0", largest=LARGEST):
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(f"{called}\n")
    (path / "energy_uj").write_text(f"{count}\n")
    (path / "max_energy_range_uj").write_text(f"{largest}\n")
    return path / "energy_uj"


class Nvml:
    """NVIDIA's module, for GPUs whose counts, in millijoules, are what the test says."""

    class NVMLError(Exception):
        pass

    def __init__(self, **counts):
        self.counts, self.ready = counts, False

    def nvmlInit(self):
        self.ready = True

    def nvmlDeviceGetHandleByIndex(self, index):
        return self.nvmlDeviceGetHandleByUUID(list(self.counts)[index]) if index < len(self.counts) else self._refuse()

    def nvmlDeviceGetHandleByUUID(self, name):
        return SimpleNamespace(name=name) if self.ready and name in self.counts else self._refuse()

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self.counts[handle.name] if self.counts[handle.name] is not None else self._refuse()

    def _refuse(self):
        raise self.NVMLError("not supported")


@pytest.fixture
def on_gpu(monkeypatch):
    monkeypatch.setattr(energy, "computes_on_gpu", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def said(caplog):
    """What the log says, as energy_of reads it."""
    lines = [record.getMessage() for record in caplog.records if energy.SAID in record.getMessage()]
    return json.loads(lines[-1].split(energy.SAID)[1]) if lines else None


def test_processors_are_summed_and_what_is_in_them_or_around_them_is_not_counted_twice(tmp_path, caplog):
    counts = [zone(tmp_path, f"intel-rapl:{i}", 1000, f"package-{i}") for i in range(2)]
    inner = zone(tmp_path, "intel-rapl:0:0", 0, "core")
    whole = zone(tmp_path, "intel-rapl:2", 0, "psys")
    with caplog.at_level("INFO", "graft"), energy.measured(tmp_path):
        counts[0].write_text("5001000\n")
        counts[1].write_text("2501000\n")
        for other in (inner, whole):
            other.write_text("9000000\n")
    assert said(caplog) == {"processor": 7.5}


def test_a_count_that_begins_again_goes_on(tmp_path, caplog):
    count = zone(tmp_path, "intel-rapl:0", LARGEST - 3_000_000)
    with caplog.at_level("INFO", "graft"), energy.measured(tmp_path):
        count.write_text("4000000")
    assert said(caplog) == {"processor": 7.0}


def test_a_count_that_begins_again_several_times_in_a_job_is_followed(tmp_path, caplog, monkeypatch):
    update, read = energy.Counter.update, threading.Semaphore(0)
    monkeypatch.setattr(energy, "EVERY", 0.01)
    monkeypatch.setattr(energy.Counter, "update", lambda self: (update(self), read.release()))
    count, largest = zone(tmp_path, "intel-rapl:0", 0, largest=10_000_000), 10_000_000
    with caplog.at_level("INFO", "graft"), energy.measured(tmp_path):
        for step in range(1, 11):  # 4 J each, 40 in all: four times around
            other = tmp_path / "next"
            other.write_text(str(4_000_000 * step % largest))
            other.replace(count)
            while read.acquire(blocking=False):
                pass
            read.acquire(), read.acquire()  # the second one began after the count was there
    assert said(caplog) == {"processor": 40.0}


def test_where_nothing_is_counted_or_may_be_read_nothing_is_said(tmp_path, caplog):
    count = zone(tmp_path / "none", "intel-rapl:0", "no number")
    for folder in (tmp_path / "missing", tmp_path / "none"):
        with caplog.at_level("INFO", "graft"), energy.measured(folder):
            pass
    zone(tmp_path / "lost", "intel-rapl:0", 5)
    with caplog.at_level("INFO", "graft"), energy.measured(tmp_path / "lost"):
        (tmp_path / "lost/intel-rapl:0/energy_uj").unlink()
    assert said(caplog) is None and count.exists()


def test_the_gpus_that_the_job_sees_are_counted_where_torch_computed_on_them(tmp_path, caplog, monkeypatch, on_gpu):
    for seen, wanted in ((None, 2.0), ("1", 30.0), ("0,1", 32.0), ("GPU-b", 30.0), ("", None), ("-1", None)):
        nvml = Nvml(**{"GPU-a": 10_000, "GPU-b": 20_000})
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen) if seen is not None else None
        caplog.clear()
        with caplog.at_level("INFO", "graft"), energy.measured(tmp_path, nvml):
            nvml.counts = {"GPU-a": 12_000, "GPU-b": 50_000}
        assert said(caplog) == (wanted and {"gpu": wanted}), seen
    monkeypatch.setattr(energy, "computes_on_gpu", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    caplog.clear()
    zone(tmp_path, "intel-rapl:0", 0)
    with caplog.at_level("INFO", "graft"), energy.measured(tmp_path, Nvml(**{"GPU-a": 1})):
        pass
    assert said(caplog) == {"processor": 0.0}


def test_a_gpu_that_does_not_count_or_whose_driver_is_loaded_again_has_no_value(tmp_path, caplog, on_gpu):
    for before, after in ((None, None), (5000, None), (5000, 10)):
        nvml = Nvml(**{"GPU-a": before})
        with caplog.at_level("INFO", "graft"), energy.measured(tmp_path, nvml):
            nvml.counts = {"GPU-a": after}
    assert said(caplog) is None


def test_a_jobs_log_has_one_line_of_it_which_the_costs_read(tmp_path):
    count = zone(tmp_path / "power", "intel-rapl:0", 1_000_000)
    script = f"""
from pathlib import Path
from graft.common.job import job
with job("logs/finetune/m.seed0.log"):
    Path({str(count)!r}).write_text("7201000000")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), energy.POWERCAP: str(tmp_path / "power")}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)
    assert energy_of(tmp_path / "logs/finetune/m.seed0.log") == {"processor_j": 7200.0, "gpu_j": None}
    (tmp_path / "benchmarks/finetune").mkdir(parents=True)
    (tmp_path / "benchmarks/finetune/m.seed0.tsv").write_text("s\th:m:s\tmax_rss\n120\t0:02:00\t9.0\n")
    runs = [{"model": "m", "seed": 0, "jobs": {"training": ["finetune/m.seed0"], "prediction": ["predict/none"]}}]
    assert costs_of_models(runs, tmp_path / "benchmarks", tmp_path / "logs") == {"m": "2 min, 2 Wh"}
    (tmp_path / "logs/finetune/m.seed0.log").write_text("12:00:00 linear probe: l2 0.1\n")
    assert costs_of_models(runs, tmp_path / "benchmarks", tmp_path / "logs") == {"m": "2 min"}


def test_energy_is_said_only_if_it_is_known_of_every_job():
    known, unknown = {"processor_j": 1800.0, "gpu_j": 7200.0}, {"processor_j": None, "gpu_j": np.nan}
    assert watt_hours([known, {"processor_j": 900.0, "gpu_j": None}]) == "2.8 Wh"
    assert watt_hours([known, unknown]) == "" and watt_hours([]) == ""
    assert [watt_hours([{"gpu_j": 3600.0 * hours}]) for hours in (0.0123, 100, 12345)] == [
        "0.012 Wh",
        "100 Wh",
        "12 kWh",
    ]
