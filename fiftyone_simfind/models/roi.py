"""Vectors of boxes, out of what one forward pass leaves behind.

A vector has three parts, each with a length of its own that says how much it counts:

* ``look``: the colours of the object's pixels.
* ``shape``: the backbone's middle map, which tells parts.
* ``kind``: how much that map varies, the backbone's late maps, and what the head takes the object for.

Every part is an average over a grid of cells on the box (RoIAlign; K. He et al., "Mask R-CNN", 2017). A box holds more
than its object, so cells that look like the border of the box count less; where a mask says what is the object, cells
count as far as they lie in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from fiftyone_simfind.models.maps import Levels, Seen
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import color
from fiftyone_simfind.numerics import masks as mk
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part

RECIPE = "color+middle+spread+late+class"  # tells these vectors from those that are made in another way
BINS = 7  # cells of the grid on a box, to a side
POINTS = 2  # looked at in a cell, to a side
PIXELS = mk.GRID  # pixels looked at in a box, to a side
AT_ONCE = 256  # boxes whose pixels are in memory at a time
CENTRE_SIGMA = 2.0  # of the Gaussian that weighs the cells, in cells
LIKE_BORDER = 3  # border cells that a cell is compared with: those most like it
CONTRAST = 2.5  # times as unlike the border as the border is unlike itself: where a cell is half of the object
FLOOR = 0.03  # what any cell counts, so that a box filled by its object is still looked at
MIDDLE_DIM, SPREAD_DIM, LATE_DIM, KIND_DIM = 128, 64, 176, 80  # with the colours at most 512 numbers
COLOR, MIDDLE, SPREAD, LATE = 0.34, 0.65, 0.50, 0.40  # lengths of the blocks
CLASS, CLASS_SMALL, CLASS_SURE = 0.4, 0.6, 0.8  # of the class scores: at least, and what an object adds that is ...
LARGE, SMALL = 320.0, 16.0  # ... small: pixels in the network at which its look shows fully, or not at all
DOUBTFUL, SURE = 0.1, 0.35  # ... clear to the head: summed over its levels, the mean probability of the likeliest class
NOISE = 1e-5  # share of a mean square that float32 cannot tell from a variance of 0
PROJECTION_SEED = 51

Masks = Sequence[Sequence[mk.Grid | None] | None]  # for each image, for each box what of it is the object


class Cells(NamedTuple):
    """What lies in the grids on ``n`` boxes.

    Attributes:
        middle: ``(n, c, BINS, BINS)``, as the maps that follow
        late: one or two of them
        scores: logits of the classes, at each level of the head
        pixels: ``(n, 3, PIXELS, PIXELS)`` RGB in [0, 1]
        sizes: ``(n,)`` root of each box's area, in pixels of the network's input
    """

    middle: torch.Tensor
    late: list[torch.Tensor]
    scores: list[torch.Tensor]
    pixels: torch.Tensor
    sizes: torch.Tensor


def parts(levels: Levels) -> list[Part]:
    """What the numbers of a vector are, in order."""
    share = LATE_DIM // len(levels.late)
    lengths = [("look", color.DIM, True)]
    # How much a map varies over an object tells kinds apart: of products, it finds more of one type than its means do.
    middle = (("shape", MIDDLE_DIM), ("kind", SPREAD_DIM))
    lengths += [(name, min(levels.middle.channels, dim), True) for name, dim in middle]
    lengths += [("kind", min(level.channels, share), True) for level in levels.late]
    if levels.classes:
        # Roots of class probabilities: their dot product, Bhattacharyya's coefficient, needs no whitening.
        lengths.append(("kind", min(levels.classes, KIND_DIM), False))
    stops = np.cumsum([length for _, length, _ in lengths]).tolist()
    return [Part(name, stop - n, stop, whiten) for (name, n, whiten), stop in zip(lengths, stops, strict=True)]


def pool(
    seen: Seen,
    levels: Levels,
    sizes_wh: Sequence[tuple[int, int]],
    boxes: Sequence[NDArray[np.float64]],
    masks: Masks | None = None,
) -> list[NDArray[np.float32]]:
    """The vector of every box of a batch of images.

    Args:
        seen: what the forward pass of the ``b`` letterboxed images left behind
        levels: which maps to pool
        sizes_wh: size of each image before letterboxing, in pixels
        boxes: for each image ``(n, 4)`` relative ``[x, y, width, height]``
        masks: for each image ``n`` grids of :mod:`fiftyone_simfind.numerics.masks`; None for boxes, or images, without

    Returns:
        for each image ``(n, d)`` float32 of length 1; NaN for a box with no area inside the image
    """
    stacked = np.concatenate([bx.as_boxes(b) for b in boxes])
    good = bx.has_area(stacked)
    image_ids = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])[good]
    vectors = np.full((len(stacked), parts(levels)[-1].stop), np.nan, dtype=np.float32)
    if good.any():
        cells = sample(seen, levels, sizes_wh, bx.clip(stacked[good]), image_ids)
        vectors[good] = describe(cells, *weigh(cells, _flat(boxes, masks)[good]))[:, 0]
    return np.split(vectors, np.cumsum([len(b) for b in boxes])[:-1])


def pool_cells(
    seen: Seen,
    levels: Levels,
    sizes_wh: Sequence[tuple[int, int]],
    boxes: Sequence[NDArray[np.float64]],
    masks: Masks | None = None,
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """What each cell of some boxes would be as an object of its own: the vector that :func:`pool` gives to a box.

    Args:
        seen: what the forward pass of the ``b`` letterboxed images left behind
        levels: which maps to pool
        sizes_wh: size of each image before letterboxing, in pixels
        boxes: for each image ``(n, 4)`` relative ``[x, y, width, height]``, each with an area inside the image
        masks: as :func:`pool` takes them

    Returns:
        for each image ``(n, BINS, BINS, d)`` float32 of length 1, and how much each cell counts in the vector of its
        box, ``(n, BINS, BINS)`` float32, of sum 1
    """
    stacked = bx.clip(np.concatenate([bx.as_boxes(b) for b in boxes]))
    cells = sample(seen, levels, sizes_wh, stacked, np.repeat(np.arange(len(boxes)), [len(b) for b in boxes]))
    alone = torch.eye(BINS**2, device=cells.middle.device).unflatten(1, (BINS, BINS))[None]
    vectors = describe(cells, alone.expand(len(stacked), -1, -1, -1)).reshape(len(stacked), BINS, BINS, -1)
    weights = weigh(cells, _flat(boxes, masks))[0][:, 0].cpu().numpy()
    stops = np.cumsum([len(b) for b in boxes])[:-1]
    return list(zip(np.split(vectors, stops), np.split(weights, stops), strict=True))


def _flat(boxes: Sequence[NDArray[np.float64]], masks: Masks | None) -> NDArray[np.object_]:
    """The grids of all boxes, ``(n,)``; None where one has none, or an empty one."""
    flat = np.full(sum(map(len, boxes)), None, object)
    given = [(None,) * len(b) if m is None else m for b, m in zip(boxes, masks or [None] * len(boxes), strict=True)]
    for row, grid in enumerate(grid for grids in given for grid in grids):
        flat[row] = grid if grid is not None and grid.any() else None
    return flat


def weigh(cells: Cells, masks: NDArray[np.object_]) -> tuple[torch.Tensor, torch.Tensor]:
    """How much the cells and the pixels of each of ``n`` boxes count, ``(n, 1, ...)`` with sum 1.

    A mask takes the place of what the cells tell of the object; the Gaussian around the centre stays, so that vectors
    with and without a mask can be compared.

    Args:
        cells: of the boxes
        masks: ``(n,)`` grids, or None
    """
    weights = object_weights(cells.late[-1])[:, None]
    pixels = _resized(weights, PIXELS)
    rows = [row for row, grid in enumerate(masks) if grid is not None]
    if rows:
        inside = np.stack([masks[row] for row in rows]).astype(np.float32)
        weights[rows] = _inside(_centre()[None, None], mk.coarser(inside, BINS)).to(weights.device)
        pixels[rows] = _inside(_resized(_centre()[None, None], PIXELS), inside).to(weights.device)
    return weights, pixels


def _inside(weights: torch.Tensor, shares: NDArray[np.float32]) -> torch.Tensor:
    """Weights ``(1, 1, h, w)`` times what of each cell is the object, ``(n, h, w)``, with sum 1."""
    found = weights * torch.from_numpy(shares)[:, None]
    return found / found.sum(dim=(2, 3), keepdim=True)


def sample(
    seen: Seen,
    levels: Levels,
    sizes_wh: Sequence[tuple[int, int]],
    boxes: NDArray[np.float64],
    image_ids: NDArray[np.intp],
) -> Cells:
    """What lies in the grids on some boxes with an area, each in one of the images."""
    assert seen.pixels is not None
    canvas_wh = (seen.pixels.shape[2], seen.pixels.shape[1])
    content = np.array([bx.letterbox(size, canvas_wh) for size in sizes_wh])[image_ids]
    grid = Grid(content, boxes, image_ids)

    features = [seen.layers[level.layer] for level in levels.maps] + (seen.scores if levels.classes else [])
    middle, *rest = _align(features, canvas_wh[0], grid)
    sides = boxes[:, 2:] * content[:, 2:]
    return Cells(
        middle,
        rest[: len(levels.late)],
        rest[len(levels.late) :],
        _look_at(seen.pixels, grid),
        torch.from_numpy(np.sqrt(sides.prod(axis=1)).astype(np.float32)).to(seen.pixels.device),
    )


def object_weights(cells: torch.Tensor) -> torch.Tensor:
    """How much each cell of a box is the object: ``(n, c, BINS, BINS)`` late features to ``(n, BINS, BINS)``, sum 1.

    A cell is background as far as it resembles the border cells most like it; what counts as resembling is how alike
    the border cells are among themselves. In a box that its object fills, no cell stands out, and all count alike but
    for the Gaussian around the centre.
    """
    unit = F.normalize(cells.flatten(2), dim=1)
    border = _border().to(unit.device)
    unlike = (1 - (unit.transpose(1, 2) @ unit)[:, :, border]).clamp(min=0)
    unlike[:, border, torch.arange(len(border))] = 2  # the cell itself: more unlike than any
    unlike = unlike.topk(LIKE_BORDER, dim=2, largest=False).values.mean(dim=2)
    contrast = unlike / unlike[:, border].mean(dim=1, keepdim=True).clamp(min=1e-6)
    stands_out = (contrast / CONTRAST) ** 4
    weights = (stands_out / (1 + stands_out) + FLOOR) * _centre().to(unit.device).flatten()
    return (weights / weights.sum(dim=1, keepdim=True)).unflatten(1, (BINS, BINS))


def describe(cells: Cells, weights: torch.Tensor, pixels: torch.Tensor | None = None) -> NDArray[np.float32]:
    """Vectors of weighted cells.

    Args:
        cells: of ``n`` boxes
        weights: ``(n, m, BINS, BINS)``, ``m`` ways to weigh the cells of each box, each with sum 1
        pixels: ``(n, m, PIXELS, PIXELS)``, likewise for its pixels; default is as the cells that they lie in

    Returns:
        ``(n, m, d)`` float32 of length 1
    """
    mean, spread = _mean_and_spread(cells.middle, weights)
    share = LATE_DIM // len(cells.late)
    blocks = [
        _scaled(_colors(cells.pixels, _resized(weights, PIXELS) if pixels is None else pixels), COLOR),
        _scaled(_narrow(mean, MIDDLE_DIM), MIDDLE),
        _scaled(_narrow(spread, SPREAD_DIM), SPREAD),
        *(_scaled(_narrow(_mean(late, weights), share), LATE) for late in cells.late),
    ]
    if cells.scores:
        sure = torch.stack([_mean(score.sigmoid(), weights) for score in cells.scores]).sum(dim=0)
        blocks.append(_scaled(_narrow(sure.sqrt(), KIND_DIM), _class_length(cells.sizes, sure)))
    return vx.normalize(torch.cat(blocks, dim=2).cpu().numpy())


def _class_length(sizes: torch.Tensor, sure: torch.Tensor) -> torch.Tensor:
    """How much the class scores count, ``(n, m, 1)``: more for small objects and for those well known to the head."""
    small = 1 - torch.log(sizes.clamp(SMALL, LARGE) / SMALL) / np.log(LARGE / SMALL)
    known = ((sure.amax(dim=2, keepdim=True) - DOUBTFUL) / (SURE - DOUBTFUL)).clamp(0, 1)
    return CLASS + CLASS_SMALL * small[:, None, None] + CLASS_SURE * known


def _mean(cells: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """``(n, c, h, w)`` cells weighted by ``(n, m, h, w)``: ``(n, m, c)``."""
    return weights.flatten(2) @ cells.flatten(2).transpose(1, 2)


def _mean_and_spread(cells: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted mean and standard deviation over the cells, ``(n, m, c)`` each; rounding noise counts as 0."""
    mean, square = _mean(cells, weights), _mean(cells**2, weights)
    variance = square - mean**2
    return mean, torch.where(variance > NOISE * square, variance, 0).clamp(min=0).sqrt()


def _scaled(vectors: torch.Tensor, length: float | torch.Tensor) -> torch.Tensor:
    return F.normalize(vectors, dim=2) * length


def _resized(weights: torch.Tensor, bins: int) -> torch.Tensor:
    """Weights for a finer grid on the same boxes, with sum 1."""
    fine = F.interpolate(weights, size=(bins, bins), mode="bilinear")
    return fine / fine.sum(dim=(2, 3), keepdim=True)


def _colors(pixels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean colour vectors ``(n, m, color.DIM)`` of pixels in [0, 1]."""
    steps = (pixels * color.STEPS).long().clamp(0, color.STEPS - 1)
    rows = (steps[:, 0] * color.STEPS + steps[:, 1]) * color.STEPS + steps[:, 2]
    n, m = weights.shape[:2]
    bags = rows.flatten(1)[:, None].expand(n, m, PIXELS**2).reshape(n * m, -1)
    table = _color_table().to(pixels.device)
    return F.embedding_bag(bags, table, mode="sum", per_sample_weights=weights.reshape(n * m, -1)).unflatten(0, (n, m))


@cache
def _color_table() -> torch.Tensor:
    return torch.from_numpy(color.table())


@cache
def _centre() -> torch.Tensor:
    """``(BINS, BINS)`` weights of a box's cells, a Gaussian around its centre."""
    offset = torch.arange(BINS) - (BINS - 1) / 2
    line = torch.exp(-((offset / CENTRE_SIGMA) ** 2) / 2)
    return line[:, None] * line[None, :]


@cache
def _border() -> torch.Tensor:
    """The numbers of the cells at the border of a grid."""
    inside = torch.zeros(BINS, BINS, dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    return torch.where(~inside.flatten())[0]


class Grid:
    """Where to look at ``n`` boxes.

    Args:
        content: ``(n, 4)`` where each box's image lies on its canvas: left, top, width and height in pixels
        boxes: ``(n, 4)`` relative ``[x, y, width, height]``, clipped to the image
        image_ids: ``(n,)`` the image that each lies in
    """

    def __init__(self, content: NDArray[np.int64], boxes: NDArray[np.float64], image_ids: NDArray[np.intp]):
        self._image_ids = image_ids
        self._left_top, self._size = content.T[:2], content.T[2:]
        self._start, self._length = self._left_top + boxes.T[:2] * self._size, boxes.T[2:] * self._size

    def taps(
        self, stride: int, shape_hw: Sequence[int], step: int, bins: int, points: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The places of a map to add up for each cell, and the share of each: ``(n, bins, bins, taps)``.

        Every bin is looked at in ``points`` points along each side, of which each lies between the centres of two of
        the map's cells; only cells that the image covers count. A place is a row of the maps, of which each image's
        begin ``step`` rows after those of the one before.
        """
        first, stop = bx.inner_cells(self._left_top, self._size, stride, np.array([[shape_hw[1]], [shape_hw[0]]]))
        steps = (np.arange(bins * points) + 0.5) / (bins * points)
        found = (self._start[..., None] + self._length[..., None] * steps) / stride - 0.5
        found = np.minimum(np.maximum(found, first[..., None]), stop[..., None] - 1)
        low = found.astype(np.int64)
        cells = np.stack([low, np.minimum(low + 1, stop[..., None] - 1)], axis=-1)
        upper = (found - low).astype(np.float32) / np.float32(points)
        shares = np.stack([np.float32(1 / points) - upper, upper], axis=-1)
        lines = (2, -1, bins, 2 * points)
        (columns, rows), (across, down) = cells.reshape(lines), shares.reshape(lines)
        rows = rows * shape_hw[1] + self._image_ids[:, None, None] * step
        places = rows[:, :, None, :, None] + columns[:, None, :, None, :]
        weights = down[:, :, None, :, None] * across[:, None, :, None, :]
        shape = (-1, bins, bins, (2 * points) ** 2)
        return places.reshape(shape), weights.reshape(shape)


def _align(features: Sequence[torch.Tensor], width: int, grid: Grid) -> list[torch.Tensor]:
    """RoIAlign on the maps of images of a width in pixels, each ``(b, c, h, w)`` to ``(n, c, BINS, BINS)``.

    torchvision's goes through one channel after the other. Here a cell is a sum of rows of channels that lie side by
    side in memory, which takes a tenth of the time.
    """
    found: list[torch.Tensor] = []
    ready: dict[tuple[torch.Size, int], list[torch.Tensor]] = {}
    for feature in features:
        table, step = _channels_last(feature)
        shape = feature.shape[2:]
        if (shape, step) not in ready:
            taps = grid.taps(width // shape[1], shape, step, BINS, POINTS)
            ready[shape, step] = [torch.from_numpy(x).flatten(0, 2).to(table.device) for x in taps]
        places, shares = ready[shape, step]
        sums = F.embedding_bag(places, table, mode="sum", per_sample_weights=shares)
        found.append(sums.view(-1, BINS, BINS, sums.shape[1]).permute(0, 3, 1, 2))
    return found


def _channels_last(feature: torch.Tensor) -> tuple[torch.Tensor, int]:
    """``(b, c, h, w)`` as float32 rows of channels, and from how many rows to how many another image begins.

    Maps whose channels lie side by side already are left where they are, also where they are a part of something.
    """
    rows = feature.permute(0, 2, 3, 1)
    places = rows.shape[1] * rows.shape[2]
    if feature.device.type != "cpu":
        return rows.float().reshape(-1, rows.shape[3]), places
    if not rows[0].is_contiguous() or rows.dtype != torch.float32:
        lines = feature.float().flatten(2).numpy()  # OpenCV turns them several times as fast as torch
        turned = np.empty((len(lines), *lines.shape[:0:-1]), np.float32)
        for line, into in zip(lines, turned, strict=True):
            cv2.transpose(line, into)
        rows = torch.from_numpy(turned).view(rows.shape)
    channels, step = rows.shape[3], rows.stride(0) // rows.shape[3]
    return rows.as_strided(((len(rows) - 1) * step + places, channels), (channels, 1)), step


def _look_at(pixels: torch.Tensor, grid: Grid) -> torch.Tensor:
    """RoIAlign on images, ``(b, h, w, 3)`` uint8 BGR to ``(n, 3, PIXELS, PIXELS)`` RGB in [0, 1]."""
    (height, width), table, found = pixels.shape[1:3], pixels.reshape(-1, 3), []
    every = grid.taps(1, (height, width), height * width, PIXELS, 1)
    taps = [np.array_split(x, 1 + len(x) // AT_ONCE) for x in every]
    for places, shares in zip(*taps, strict=True):
        rows, weights = (torch.from_numpy(x).to(table.device) for x in (places, shares))
        some = table.index_select(0, rows.flatten()).view(*rows.shape, 3).float()
        found.append((weights[..., None, :] @ some)[..., 0, :])
    return (torch.cat(found).flip(-1) / 255).permute(0, 3, 1, 2)


def _narrow(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """Vectors of at most ``dim`` numbers: wider ones by a fixed Gaussian matrix that keeps their angles nearly.

    (W. Johnson and J. Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984)
    """
    if vectors.shape[-1] <= dim:
        return vectors
    return vectors @ _projection(vectors.shape[-1], dim).to(vectors.device)


@cache
def _projection(channels: int, dim: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(PROJECTION_SEED + channels)
    return torch.randn(channels, dim, generator=generator)
