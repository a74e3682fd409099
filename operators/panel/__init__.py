"""The panel "Object search"."""

import logging

import fiftyone.operators as foo
import fiftyone.operators.types as types

from .._noted import PANEL_NAME
from ._common import alert, part
from .map import MapTab
from .photo import PhotoTab
from .pictures import ObjectPictures
from .quality import QualityTab
from .search import SearchTab
from .setup import SetupTab

SELECTED = ("on_change_selected", "on_change_selected_labels")

logger = logging.getLogger(__name__)

TABS = {"setup": "Set up", "search": "Search", "photo": "Photo", "map": "Map", "quality": "Quality"}


class ObjectSearch(SetupTab, SearchTab, PhotoTab, MapTab, QualityTab, foo.Panel):
    """Set up, search, look at an outside photo, a map and the quality: one tab each."""

    @property
    def config(self):
        return foo.PanelConfig(
            name=PANEL_NAME,
            label="Object search",
            icon="image_search",
            category=foo.Categories.CURATE,
            help_markdown="Find objects, index them, and see every object that looks like one of them",
        )

    def execute(self, ctx):
        """Run a handler and draw the panel.

        A selection that is cleared, as searches do, changes nothing here, unless the search was not the panel's own;
        the App tells of it with the state from before the search, and what would be drawn from that would hide what
        was found.
        """
        cleared = ctx.params.get("__method__") in SELECTED and not ctx.selected and not ctx.selected_labels
        return None if cleared and not self.take_noted(ctx) else super().execute(ctx)

    def on_load(self, ctx):
        """The panel was opened, or the page was loaded again, perhaps with another dataset."""
        if ctx.panel.get_state("dataset") != ctx.dataset_name:
            ctx.panel.state.clear()
            ctx.panel.set_state("dataset", ctx.dataset_name)
        ctx.panel.set_state("starting", None)
        self.skip_noted(ctx)
        self.on_setup_look(ctx)

    def on_change_dataset(self, ctx):
        """Another dataset was opened, of which the panel knows nothing; the App says so whenever it draws it anew."""
        if ctx.panel.get_state("dataset") != ctx.dataset_name:
            self.on_load(ctx)

    def on_tab(self, ctx):
        """Another tab was chosen, by its name."""
        if ctx.params.get("tab") in TABS:
            ctx.panel.set_state("tab", ctx.params["tab"])
        ctx.panel.set_state("starting", None)
        if ctx.panel.get_state("tab") == "setup":
            self.on_setup_return(ctx)
        if ctx.panel.get_state("tab") == "quality":
            self.on_quality_look(ctx)

    def render(self, ctx):
        """What the panel shows."""
        panel = types.Object()
        chosen = ctx.panel.get_state("tab")
        chosen = chosen if chosen in TABS else "setup"
        run = ctx.panel.get_state("search.run")
        part(panel, "tabs", "TabBar", tabs=TABS, chosen=chosen, on_tab=self.on_tab, run=run)
        tab = types.Object()
        try:
            getattr(self, f"render_{chosen}")(ctx, tab)
        except Exception as error:  # of any kind; the App would show a traceback in place of the whole panel
            logger.exception("The panel's tab %r cannot be drawn", chosen)
            tab = types.Object()
            alert(tab, "broken", f"This cannot be shown: {error}. The server's log says more", "error")
        for name, drawn in tab.properties.items():
            panel.add_property(name, drawn)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, **PADDED))


PADDED = {"componentsProps": {"grid": {"sx": {"px": 2, "gridTemplateColumns": "minmax(0, 1fr)"}}}}
PANEL = (ObjectSearch, ObjectPictures)
