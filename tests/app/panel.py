"""Page object for the panel "Object search"."""

import re

from fo_e2e import wait_until


class ObjectSearch:
    """The panel, opened beside the grid."""

    def __init__(self, page, ops):
        self.page, self.ops = page, ops
        self.content = page.locator("[data-cy=panel-content-object_search]")
        if not self.content.count():
            ops.open_panel("object_search")
        self.ops.settle()

    def tab(self, name):
        self.content.get_by_role("tab", name=name).click()
        self.ops.settle()

    def press(self, name):
        """Press a button, and wait for what it does."""
        whole = re.compile(rf"(^|\s){re.escape(name)}$")  # the name of an icon may stand before it
        self.content.get_by_role("button", name=whole).last.click()
        self.ops.settle()

    def field(self, label):
        """The input with a label; labels are paragraphs, which Playwright does not know as such."""
        path = f"xpath=.//p[normalize-space()='{label}']/ancestor::div[.//input][1]//input"
        return self.content.locator(path).first

    def fill(self, label, value):
        self.field(label).fill(value)
        self.page.wait_for_timeout(500)  # the App waits for the end of typing
        self.ops.settle()

    def choose(self, label, option):
        box = self.field(label).locator("xpath=./ancestor::div[.//*[@role='combobox']][1]")
        box.get_by_role("combobox").click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self.page.wait_for_timeout(500)
        self.ops.settle()

    def tick(self, label):
        self.content.get_by_label(label).click()
        self.page.wait_for_timeout(500)
        self.ops.settle()

    def strip(self, n=0):
        """The ``n``-th row of pictures."""
        return self.content.locator("[data-cy=simfind-strip]").nth(n)

    def ids(self, strip):
        """The ids of the objects in a row of pictures."""
        crops = strip.locator("[data-cy=simfind-crop]")
        return crops.evaluate_all("crops => crops.map((crop) => crop.dataset.id)")

    def wait_found(self, ids):
        """Wait until the results are these objects, each with its picture."""
        found = self.strip(1)
        wait_until(lambda: self.ids(found) == ids, self.page, f"the panel does not show {ids}")
        wait_until(lambda: found.locator("img").count() == len(ids), self.page, "pictures are missing")
