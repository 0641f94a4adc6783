"""Distil a trained teacher into a student backbone: the student learns the teacher's probabilities and the labels."""

from pathlib import Path

from graft import features, network, predictions
from graft.errors import UserError
from graft.feature_files import features_of
from graft.inputs import open_inputs
from graft.job import job
from graft.outputs import write_torch
from graft.runfiles import open_run, write_history
from graft.runs import check_rows
from graft.teacher import LiveTeacher, StoredTeacher


def main(run, teacher, teacher_features, teacher_folder, output_model, output_history):
    """Train the student of `run` under `teacher` (what network.load returned)."""
    check_rows(run.rows, run.settings["name"])
    target = run.settings["target"]
    if teacher["targets"][target]["classes"] != run.target["classes"]:
        raise UserError(
            f"the teacher's classes {teacher['targets'][target]['classes']} are not the data set's {run.target['classes']}",
            where=run.settings["name"],
        )
    seen = run.rows[run.splits != "test"]
    if run.settings["augment"] == "none":
        logits = predictions.logits_of(teacher, target, features_of(seen, teacher_features))
        run.teacher = StoredTeacher(logits, run.device)
    else:
        backbone = features.trained(teacher, teacher_folder)
        inputs = open_inputs(seen, run.source, backbone, run.store, {}, run.threads)
        run.teacher = LiveTeacher(network.from_dict(teacher), inputs, target, run.device, run.precision)
    history, _ = run.probe()
    history += run.fit(objective=run.settings["method"])
    write_torch(output_model, run.finished({}))
    write_history(output_history, history)
    run.state.clear()


if "snakemake" in globals():
    with job(snakemake):
        main(
            run=open_run(snakemake),
            teacher=network.load(snakemake.input.teacher),
            teacher_features=snakemake.input.teacher_features,
            teacher_folder=Path(snakemake.input.teacher_backbone).parent,
            output_model=snakemake.output.model,
            output_history=snakemake.output.history,
        )
