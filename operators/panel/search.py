"""Search for the selected objects."""

import base64
import io

import fiftyone.operators.types as types
import fiftyone_simfind as simfind


class SearchTab:
    def on_load_search(self, ctx):
        pass

    def render_search(self, ctx, panel):
        panel.int("k", label="Matches", default=25)
        panel.btn("go", label="Search", on_click=self.on_search)
        rows = ctx.panel.get_state("search.rows", [])
        items = [{"id": r["label_id"], "sample_id": r["sample_id"], "label": r["label"], "score_text": f"{r['score']:.3f}", "image": ""} for r in rows]
        panel.view("strip", types.View(component="SimfindStrip", composite_view=True, items=items, rows=rows, exportable=True, on_open=self.on_open_match, on_again=self.on_again))

    def on_search(self, ctx):
        target = ctx.dataset.first().objects.detections[0]
        found = simfind.search(ctx.dataset, target, k=5)
        ctx.panel.set_state("search.rows", [m.to_dict() for m in found])

    def on_open_match(self, ctx):
        print("OPEN", ctx.params.keys(), flush=True)

    def on_again(self, ctx):
        print("AGAIN", ctx.params, flush=True)
