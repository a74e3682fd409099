"""How good the search is, and what it takes for what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms, _reports
from ._common import NO_INDEX, PLUGIN, alert, begin, choices, jobs, part, row, told
from ._measured import MAX_PAIRS, Measured, correspondence, counted, pair, pairs
from ._quality_plot import counts, heatmap, heatmap_caption, heatmap_layout, labels, per_class, summary

LABELS = (fo.StringField, fo.IntField, fo.BooleanField)
NOT_LABELS = ("id", "index")
MAX_IN_GRID = 1000
FEW = 12  # classes of which the table shows all at once
COLUMNS = "The numbers above, for the objects of one class alone; “objects” is how many of them were searched for"
CONFIG = {"displayModeBar": False, "scrollZoom": False}


class QualityTab(Measured):
    """The tab "Quality".

    The panel's state holds ``quality``, the form; ``measured.version``, the version of the index that is known to be
    its present one; ``measured.cell``, the cell of the heat map that was clicked, as numbers of classes; and
    ``measured.sort``, the column that the table is sorted by.
    """

    def render_quality(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            alert(panel, "none", NO_INDEX, "warning")
            return
        self._render_measure(ctx, panel, indexes)
        about, report = self.quality_report(ctx)
        if report is None:
            alert(panel, "unmeasured", "Not measured yet. Every object is searched for; what has its class is right")
            return
        self._render_age(ctx, panel, about)
        part(panel, "means", "Cards", cards=summary(report), note=counts(report))
        self._render_heatmap(ctx, panel, report)
        self._render_pairs(ctx, panel, report)
        self._render_classes(ctx, panel, report)

    def _render_measure(self, ctx: Any, panel: types.Object, indexes: dict[str, str]) -> None:
        form = row(panel, "quality")
        brain_key = self.quality_index(ctx)
        if len(indexes) > 1:
            names = {name: name for name in indexes}
            choices(form, "brain_key", "Index", names, brain_key, on_change=self.on_quality_look)
        known = [name for name in _forms.attributes(ctx, indexes[brain_key], LABELS) if name not in NOT_LABELS]
        if known:
            choices(form, "label_attr", "Right if it has the same", {name: name for name in known}, known[0])
        about = "What lies in the same image does not count as found"
        form.bool("exclude_same_image", label="Other images only", description=about, default=True)
        form.btn("measure", label="Measure", on_click=self.on_quality_measure, variant="contained", icon="insights")
        jobs(ctx, panel, self.on_quality_look)

    def _render_age(self, ctx: Any, panel: types.Object, about: dict[str, Any]) -> None:
        when = datetime.fromtimestamp(about["measured"]).strftime("%Y-%m-%d %H:%M")
        now = ctx.panel.get_state("measured.version")
        if now and about["version"] and now != about["version"]:
            text = f"The index has changed since this was measured ({when}). “Measure” brings it up to date"
            alert(panel, "stale", text, "warning")
        else:
            panel.md(f"Measured {when}", name="when")

    def _render_heatmap(self, ctx: Any, panel: types.Object, report: Any) -> None:
        table = correspondence(report)
        words = f"**What is found for what**: click a cell to see those pairs\n\n_{heatmap_caption(report)}_"
        panel.md(words, name="heading")
        plot = heatmap_layout(table)
        panel.plot("quality_plot", data=heatmap(table), layout=plot, config=CONFIG, height=f"{plot['height']}px")
        part(panel, "quality_events", "PlotEvents", shown=self.quality_token(ctx), on_point=self.on_quality_cell)

    def _render_pairs(self, ctx: Any, panel: types.Object, report: Any) -> None:
        cell = self.quality_cell(ctx, report)
        if cell is None:
            return
        known = pairs(report, cell)
        head = row(panel, "pairs_head")
        asked, found = labels(cell)
        head.md(f"**{asked} → {found}**: {counted(known, cell)}", name="pairs_count")
        if not known:
            return
        head.btn("pairs_grid", label="Show in grid", on_click=self.on_quality_grid, icon="apps")
        part(
            panel,
            "pairs",
            "Pairs",
            pairs=[pair(each, asked, found) for each in known[:MAX_PAIRS]],
            brain_key=self.quality_index(ctx),
            pictures=f"{PLUGIN}/object_pictures",
            on_open=self.on_quality_open,
            on_again=self.on_quality_search,
        )

    def _render_classes(self, ctx: Any, panel: types.Object, report: Any) -> None:
        table = per_class(report)
        column, descending = self._quality_sort(ctx, table)
        every = bool(ctx.panel.get_state("measured.all"))
        table = table.sort_values(column, ascending=not descending, kind="stable")
        view = types.TableView(on_click_cell=self.on_quality_table, componentsProps={"table": {"sx": {"minWidth": 0}}})
        for name in table.columns:
            mark = (" ▼" if descending else " ▲") if name == column else ""
            view.add_column(name, label=f"{name}{mark}")
        shown = table if every else table.head(FEW)
        rows = [{key: _cell(value) for key, value in line.items()} for line in shown.to_dict("records")]
        panel.md(f"**Each class**: click a heading to sort by it\n\n_{COLUMNS}_", name="classes_heading")
        panel.list("classes_table", types.Object(), default=rows, view=view)
        if len(table) > FEW:
            label = f"Show {FEW}" if every else f"Show all {len(table):,} classes"
            row(panel, "classes_more").btn("classes_all", label=label, on_click=self.on_quality_all)

    # --- what the user does -------------------------------------------------------------------------------------------

    def on_quality_look(self, ctx: Any) -> None:
        """The tab was opened, or something has ended: see which version of the index is its present one."""
        if _forms.object_indexes(ctx):
            ctx.panel.set_state("measured.version", _reports.version(ctx, self.quality_index(ctx)))

    @told
    def on_quality_measure(self, ctx: Any) -> None:
        """Have the search measured as the form says."""
        given = ctx.panel.get_state("quality") or {}
        params = {"brain_key": self.quality_index(ctx), "view_target": "DATASET"}
        params["exclude_same_image"] = given.get("exclude_same_image", True)
        if given.get("label_attr"):
            params["label_attr"] = given["label_attr"]
        begin(ctx, "evaluate_retrieval", params)

    @told
    def on_quality_cell(self, ctx: Any) -> None:
        """A cell of the heat map was clicked."""
        _, report = self.quality_report(ctx)
        rows, columns = (0, 0) if report is None else correspondence(report).shape
        number = ctx.params.get("number")
        good = isinstance(number, int) and 0 <= number < rows * columns
        if not good or ctx.params.get("shown") != self.quality_token(ctx):
            ctx.ops.notify("The report has changed since it was drawn. Try again", variant="warning")
            return
        ctx.panel.set_state("measured.cell", list(divmod(number, columns)))
        ctx.panel.set_state("measured.token", self.quality_token(ctx))

    @told
    def on_quality_grid(self, ctx: Any) -> None:
        """Put the pairs into the grid: each query, and behind it what was found for it."""
        _, report = self.quality_report(ctx)
        cell = None if report is None else self.quality_cell(ctx, report)
        if cell is None:
            return
        some = pairs(report, cell)[:MAX_IN_GRID]
        ids = list(dict.fromkeys(i for found in some for i in (found.query, found.neighbor)))
        field = _forms.object_indexes(ctx)[self.quality_index(ctx)]
        patches = simfind.images(ctx.dataset).select_labels(ids=ids, fields=field).to_patches(field)
        ctx.ops.set_view(view=patches.select(ids, ordered=True))

    @told
    def on_quality_open(self, ctx: Any) -> None:
        """Open the image of an object of a pair."""
        field = _forms.object_indexes(ctx)[self.quality_index(ctx)]
        found = simfind.images(ctx.dataset).select_labels(ids=[ctx.params["id"]], fields=field).limit(1).values("id")
        if found:
            ctx.ops.open_sample(id=found[0])

    @told
    def on_quality_search(self, ctx: Any) -> None:
        """Search for an object of a pair, and show what is found."""
        self.search_for(ctx, {"ids": [ctx.params["id"]], "negatives": [], "brain_key": self.quality_index(ctx)})
        ctx.panel.set_state("tab", "search")

    def _quality_sort(self, ctx: Any, table: Any) -> tuple[str, bool]:
        """The column that a table is sorted by, and whether the other way round; another report has other ranks."""
        column, descending = ctx.panel.get_state("measured.sort") or ["class", False]
        return (column, descending) if column in list(table.columns) else ("class", False)

    @told
    def on_quality_table(self, ctx: Any) -> None:
        """A heading of the table was clicked: sort by it, and the other way round when it is clicked again."""
        _, report = self.quality_report(ctx)
        if report is None or ctx.params.get("row") != -1:
            return
        table = per_class(report)
        column, descending = self._quality_sort(ctx, table)
        chosen = table.columns[ctx.params["column"]]
        ctx.panel.set_state("measured.sort", [chosen, not descending if chosen == column else False])

    def on_quality_all(self, ctx: Any) -> None:
        """Show all classes in the table, or few."""
        ctx.panel.set_state("measured.all", not ctx.panel.get_state("measured.all"))


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
