"""Errors that name the thing, show the value and say the cure.

Each also inherits the builtin that Python users expect to catch, so ``except ValueError`` keeps working.
"""

from __future__ import annotations


class SimfindError(Exception):
    """Any error that fiftyone-simfind raises on purpose."""


class FieldError(SimfindError, ValueError):
    """A field is missing, of the wrong type, or holds something that must not be mixed or overwritten."""


class CollectionError(SimfindError, ValueError):
    """The samples are not what the call can work on: not images, empty, or not a FiftyOne collection."""


class QueryError(SimfindError, ValueError):
    """What was searched for cannot be used: an unknown id, an object without a vector, a vector of another size."""


class BrainRunError(SimfindError, ValueError):
    """A Brain run is missing, already exists, or is of another kind."""


class ModelError(SimfindError, ValueError):
    """The weights or the model cannot be used."""


class OptionError(SimfindError, ValueError):
    """An option has a value outside its range."""


class PackageError(SimfindError, ImportError):
    """An optional package is needed that is not installed."""


class ImageError(SimfindError, ValueError):
    """An image from outside cannot be used: it is none, too large, broken, or of a kind that is not read."""


class FetchError(SimfindError, ValueError):
    """An image cannot be fetched: its address is not one that may be asked, or gives nothing usable.

    Attributes:
        again: whether another try may succeed, since the host was busy, slow or broke off
        retry_after: the seconds after which the host asks for that one, where it says so
    """

    def __init__(self, message: str, *, again: bool = False, retry_after: float | None = None):
        super().__init__(message)
        self.again, self.retry_after = again, retry_after


class ManifestError(SimfindError, ValueError):
    """A list of images and products cannot be read, or an entry of it is none."""


class ClusterError(SimfindError, RuntimeError):
    """A cluster cannot be reached, or its machines cannot do the work: they see no database, images or weights."""
