"""What exists, and what is to be done next."""


class SetupTab:
    """The tab "Set up"."""

    def render_setup(self, ctx, panel):
        """Draw the tab."""
        panel.md("Nothing yet", name="nothing")
