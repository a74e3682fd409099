"""OpenVINO, which is made for CPUs."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models.engines.base import MAX_STREAMS, Pixels, Source
from fiftyone_simfind.models.engines.exported import IMAGES, Plain, cached, image_by_image, probe
from fiftyone_simfind.models.heads import Raw
from fiftyone_simfind.models.maps import Seen

_first_pass = threading.Lock()


class OpenVinoEngine:
    """A network compiled by OpenVINO: in bfloat16 where the CPU computes with it, in float32 elsewhere.

    Attributes:
        file: the exported network
    """

    name = "openvino"
    batch_size = IMAGES

    def __init__(self, source: Source):
        ov = silent()
        if source.device.type != "cpu":
            raise ModelError(f'engine="openvino" runs on the CPU, not on device="{source.device}"; give engine="torch"')
        self._plain = plain = Plain(source)
        self.file = cached(source, "openvino", ".xml", lambda path: _export(plain, path))
        model = ov.Core().read_model(self.file)
        self._pieces = _without_joins(model)
        self._compiled = ov.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
        self.streams = min(int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")), 2 * MAX_STREAMS)
        self._own = threading.local()

    def __call__(self, pixels: Pixels) -> tuple[Raw, Seen]:
        """What the head and the maps say of ``(b, h, w, 3)`` uint8 BGR images, as :class:`Engine` describes it."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()

        def run(planes: Pixels) -> Iterator[list[Any]]:
            found = iter(request.infer([planes], share_inputs=True, share_outputs=True).values())
            return (list(islice(found, pieces)) for pieces in self._pieces)

        return self._plain.back(pixels, image_by_image(run, pixels))


def silent() -> Any:
    """The package ``openvino``, which else tells its makers of every import and every export; ready for threads."""
    reports = "openvino_telemetry"
    stop = "openvino" not in sys.modules and reports not in sys.modules
    if stop:
        sys.modules[reports] = None  # type: ignore[assignment]  # it then does without, as where that is not installed
    try:
        import openvino
    finally:
        if stop:
            del sys.modules[reports]
    with _first_pass:
        _make_ready()
    return openvino


@functools.cache
def _make_ready() -> None:
    """Do a first pass, of next to nothing.

    In a process's first passes two threads at once may wait for each other for ever, one with what the package sets up
    at a first pass and one with Python's interpreter.
    """
    import numpy as np
    import openvino
    from openvino import opset13

    given = opset13.parameter([1], np.float32)
    model = openvino.Model([opset13.result(opset13.relu(given))], [given], "first")
    openvino.Core().compile_model(model, "CPU").create_infer_request().infer([np.zeros(1, np.float32)])


def _without_joins(model: Any) -> list[int]:
    """Have a model give what it would join at the end, piece by piece: how many pieces each of its outputs has.

    A head joins what it says at each stride, which takes about as long as to copy it.
    """
    from openvino import opset13

    outputs = []
    for result in list(model.get_results()):
        joined = result.input_value(0).get_node()
        is_join = joined.get_type_name() == "Concat" and joined.get_axis() in (2, -1)
        outputs.append([value.get_source_output() for value in joined.inputs()] if is_join else [result.input_value(0)])
        model.remove_result(result)
    model.add_results([opset13.result(piece) for pieces in outputs for piece in pieces])
    return list(map(len, outputs))


def _export(plain: Plain, path: Path) -> None:
    ov = silent()
    model = ov.convert_model(plain.eval(), example_input=probe(), input=[ov.PartialShape([-1, 3, -1, -1])])
    ov.save_model(model, path, compress_to_fp16=False)
