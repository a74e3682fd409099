"""The panel "Object search"."""

import fiftyone.operators as foo
import fiftyone.operators.types as types

from .photo import PhotoTab
from .search import SearchTab
from .setup import SetupTab

TABS = {"setup": "Set up", "search": "Search"}


class ObjectSearch(SetupTab, SearchTab, PhotoTab, foo.Panel):
    """Set up, search, look at an outside photo, a map and the quality: one tab each."""

    @property
    def config(self):
        return foo.PanelConfig(
            name="object_search",
            label="Object search",
            icon="image_search",
            category=foo.Categories.CURATE,
            help_markdown="Find objects, index them, and see every object that looks like one of them",
        )

    def on_change_dataset(self, ctx):
        """Another dataset was opened: what the panel knew is of no use."""
        ctx.panel.state.clear()

    def on_tab(self, ctx):
        """Another tab was chosen: the App has put its name into the state; nothing but drawing it is to be done."""

    def render(self, ctx):
        panel = types.Object()
        tabs = types.TabsView()
        for name, label in TABS.items():
            tabs.add_choice(name, label=label)
        panel.enum("tab", list(TABS), default="setup", view=tabs, on_change=self.on_tab)
        chosen = ctx.panel.state.tab or "setup"
        getattr(self, f"render_{chosen}")(ctx, panel)
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=2, padding=2))
