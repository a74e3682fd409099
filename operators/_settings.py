"""What whoever runs the App's server allows: settings in FiftyOne's App config, never in a dataset.

``~/.fiftyone/app_config.json``, or the file that ``FIFTYONE_APP_CONFIG_PATH`` names, may hold::

    {"plugins": {"@simfind/objects": {"allow_urls": true, "weights_folders": ["/srv/weights"]}}}

They are read anew whenever they are needed, so that a change counts at once.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from typing import Any

from fiftyone.core.config import locate_app_config

import fiftyone_simfind as simfind

PLUGIN = "@simfind/objects"
MEGABYTE = 2**20
KINDS = {"bool": (bool, "true or false"), "float": ((int, float), "a number above 0")}
A_LIST = (list, 'a list of strings, such as ["..."]')


@dataclass(frozen=True)
class Settings:
    """What is allowed.

    Attributes:
        allow_urls: whether a photo to search with may be fetched from an address
        url_hosts: hosts, or ``host:port``, that may be fetched from although they lie in a private network
        weights_folders: folders whose files may be loaded as a model's weights, besides the models known by name
        max_upload_mb: largest photo, in megabytes
        max_megapixels: most pixels of a photo, in millions
    """

    allow_urls: bool = False
    url_hosts: tuple[str, ...] = ()
    weights_folders: tuple[str, ...] = ()
    max_upload_mb: float = 20
    max_megapixels: float = 50

    @property
    def max_bytes(self) -> int:
        """Largest photo, in bytes."""
        return int(self.max_upload_mb * MEGABYTE)

    @property
    def max_pixels(self) -> float:
        """Most pixels of a photo."""
        return self.max_megapixels * 1e6


def load() -> Settings:
    """The settings as they are now.

    Raises:
        OptionError: the file cannot be read, or a setting has a value that it cannot have
    """
    path = locate_app_config()
    if not os.path.isfile(path):
        return Settings()
    try:
        with open(path, encoding="utf-8") as file:
            plugins = (json.load(file) or {}).get("plugins") or {}
        given = dict(plugins.get(PLUGIN) or {})
    except (OSError, ValueError, AttributeError, TypeError):
        raise simfind.OptionError(
            "the settings of this plugin cannot be read, because FiftyOne's app_config.json is no readable JSON of the "
            f'form {{"plugins": {{"{PLUGIN}": {{...}}}}}}; whoever runs the server can mend it'
        ) from None
    known = {field.name: field for field in fields(Settings)}
    return Settings(**{name: _checked(name, given[name], str(known[name].type)) for name in given if name in known})


def _checked(name: str, value: Any, kind: str) -> Any:
    wanted, words = KINDS.get(kind, A_LIST)
    right = isinstance(value, wanted) and (kind != "float" or (not isinstance(value, bool) and value > 0))
    if right and wanted is list:
        right = all(isinstance(item, str) for item in value)
        value = tuple(value)
    if not right:
        raise simfind.OptionError(f'the setting "{name}" of the plugin {PLUGIN} must be {words}, and is {value!r}')
    return value
