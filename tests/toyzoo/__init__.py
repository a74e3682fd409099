"""Two models as FiftyOne's zoo takes them from elsewhere, small enough to need no weights; fixture ``toyzoo``."""

from pathlib import Path

import fiftyone as fo
import numpy as np
from PIL import Image, ImageColor

CELLS = 4


class Colours(fo.Model, fo.EmbeddingsMixin):
    """The mean colours of 4 x 4 cells of a picture, 48 numbers."""

    media_type = "image"
    has_embeddings = True
    ragged_batches = False
    transforms = None
    preprocess = False

    def embed(self, arg):
        picture = Image.fromarray(np.asarray(arg)).resize((CELLS, CELLS), Image.Resampling.BOX)
        return np.asarray(picture, np.float32).ravel() / 255


class ColoursAndWords(Colours, fo.PromptMixin):
    """The same, and for the name of a colour what a picture of nothing else gives."""

    can_embed_prompts = True

    def embed_prompt(self, arg):
        return np.tile(np.array(ImageColor.getrgb(arg), np.float32) / 255, CELLS * CELLS)


def download_model(model_name, model_path):
    Path(model_path).touch()  # there is nothing to download, but FiftyOne looks for a file


def load_model(model_name, model_path, **kwargs):
    return {"toy-colours": ColoursAndWords, "toy-wordless": Colours}[model_name]()
