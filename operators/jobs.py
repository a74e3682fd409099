"""What the long operators are doing, and a way to stop them."""

import fiftyone.operators.types as types

from . import _forms, _jobs
from ._operator import Operator


class JobStatus(Operator):
    """For the panel: the state of every long operator on the open dataset."""

    @property
    def config(self):
        return self.settings(
            name="job_status",
            label="Simfind: job status",
            description="Tell which of simfind's long operators run on the dataset, how far they are, and how "
            "they ended",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx):
        return _forms.Form(ctx, "Job status")

    def run(self, ctx, form):
        return {"jobs": _jobs.jobs(ctx)}

    def failed(self, ctx, text):
        """The panel asks every second: a message each time, of a dataset that was deleted, would be too much."""
        return {"error": text}


class CancelJob(Operator):
    """Stop a long operator; what it has finished stays."""

    @property
    def config(self):
        return self.settings(
            name="cancel_job",
            label="Simfind: stop a job",
            description="Stop one of simfind's long operators on the dataset at its next step; what it has finished "
            "stays, and running it again goes on from there",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Stop a job")
        form.choice("operator", "Operator", "The one to stop", list(_jobs.LONG), required=True)
        return form

    def run(self, ctx, form):
        job = _jobs.cancel(ctx, form.value("operator"))
        text = _words(job)
        ctx.ops.notify(text, variant="info" if job and job["stoppable"] else "warning")
        return {"summary": text, "cancelled": bool(job and job["stoppable"])}


def _words(job):
    if job is None:
        return "Nothing of that kind runs on this dataset"
    if not job["stoppable"]:
        return f"{job['label']} cannot be stopped on its way; it changes nothing before it is done"
    return f"{job['label']} stops at its next step; what is finished stays"
