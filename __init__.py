"""Entry point of the FiftyOne plugin ``@simfind/objects``.

The repository root is the plugin's folder. FiftyOne executes this file again for every request, so it only makes the
SDK importable and hands over.
"""

import importlib.util
import os
import re
import sys

PLUGIN_FOLDER = os.path.dirname(os.path.abspath(__file__))


def _make_sdk_importable():
    """Put this folder on the path where ``fiftyone_simfind`` is not installed; refuse an installed one that differs.

    An installed package comes first, because stored Brain runs and scripts import that one.
    """
    if importlib.util.find_spec("fiftyone_simfind") is None:
        sys.path.append(PLUGIN_FOLDER)
    import fiftyone_simfind

    with open(os.path.join(PLUGIN_FOLDER, "fiftyone.yml"), encoding="utf-8") as manifest:
        plugin = re.search(r"^version:\s*[\"']?([^\"'\s]+)", manifest.read(), re.MULTILINE).group(1)
    if fiftyone_simfind.__version__ != plugin:
        raise ImportError(
            f"the plugin @simfind/objects is version {plugin}, but the installed package fiftyone-simfind is "
            f"{fiftyone_simfind.__version__}; update the older one, or uninstall the package: the plugin has its own"
        )


def register(plugin):
    """Register the operators with FiftyOne."""
    _make_sdk_importable()
    from .operators import register as register_operators

    register_operators(plugin)
