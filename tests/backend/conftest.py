# FiftyOne must not be imported here at the top: pytest loads this file before the environment is set.
import numpy as np
import pytest

IMAGES, OBJECTS, DIM = 30, 7, 16


@pytest.fixture
def crowd(tmp_path):
    """210 objects of three classes with random vectors of different lengths; every seventh image is empty."""
    import fiftyone as fo

    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    samples = []
    for image in range(IMAGES):
        objects = [
            fo.Detection(
                label="abc"[int(rng.integers(3))],
                bounding_box=[*rng.uniform(0, 0.5, 2), 0.3, 0.3],
                embedding=rng.standard_normal(DIM).astype(np.float32) * np.float32(rng.uniform(0.5, 2)),
            )
            for _ in range(OBJECTS if image % 7 else 0)
        ]
        samples.append(fo.Sample(filepath=str(tmp_path / f"{image}.png"), things=fo.Detections(detections=objects)))
    dataset.add_samples(samples, dynamic=True, progress=False)
    yield dataset
    dataset.delete()
