"""Image files as the arrays that YOLO sees."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray
from ultralytics.utils.patches import imread


def read(filepath: str) -> NDArray[np.uint8]:
    """The image as it looks in a viewer: EXIF orientation applied, 8 bit, three channels.

    It is read by ultralytics' own reader, so that a model sees the same pixels as in ``YOLO.predict(filepath)``.

    Args:
        filepath: any image file that OpenCV reads; names may hold spaces and non-ASCII letters

    Returns:
        ``(h, w, 3)`` uint8, BGR

    Raises:
        OSError: there is no such file, or it is no image
    """
    image = imread(filepath)
    if image is None:
        if not os.path.exists(filepath):
            raise FileNotFoundError(f'there is no file "{filepath}"')
        raise OSError(f'"{filepath}" is no image that OpenCV can read')
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., :3])
