"""What exists, and what is to be done next."""

import fiftyone.operators.types as types

PLUGIN = "@simfind/objects"


class SetupTab:
    def render_setup(self, ctx, panel):
        panel.md("### hello", name="hello")
        panel.view("jobs", types.View(component="SimfindJobs", composite_view=True, status_operator=f"{PLUGIN}/job_status", cancel_operator=f"{PLUGIN}/cancel_job", on_done=self.on_jobs_done))

    def on_jobs_done(self, ctx):
        """Something has ended: what is shown is read anew."""
