"""Search for an object in a photo that is not in the dataset."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _settings, _weights
from ._operator import Operator
from ._search_form import SearchForm, search_and_show
from .panel import _photos

WHOLE = "whole"
KINDS = ".jpg,.jpeg,.png,.webp,.bmp,.gif,.tif,.tiff"
NO_URLS = (
    "A photo's address can be given where whoever runs the server allows it, with the setting “allow_urls” of "
    f"{_settings.PLUGIN} (see docs/plugin.md)"
)


class SearchByPhoto(Operator):
    """A form for :func:`fiftyone_simfind.detect_query` and :func:`fiftyone_simfind.sort_by_similarity`.

    Without a candidate it looks at the photo, and asks which of its objects to search for; the photo is kept for an
    hour beside the dataset, and never becomes a part of it.
    """

    is_seen = True

    @property
    def config(self):
        return self.settings(
            name="search_by_photo",
            label="Simfind: search by photo",
            description="Show the objects of the dataset that look most like an object in an uploaded photo, which is "
            "found by the index's own model. The photo is not added to the dataset",
            icon="add_a_photo",
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx):
        form = SearchForm(ctx, "Search by photo")
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        key = form.value("photo")
        photo = _photos.kept(ctx, key)
        if photo is not None:
            form.inputs.str("photo", view=types.HiddenView())
            _ask_candidate(form, photo["candidates"])
            form.ask({photo["brain_key"]: indexes.get(photo["brain_key"], "")}, photo["brain_key"])
            return form
        if isinstance(key, str) and _photos.KEY.fullmatch(key):
            return form.stop(_photos.GONE)
        _ask_photo(ctx, form)
        first = min(indexes, key=lambda name: (name != "simfind", name))
        form.ask(indexes, first)
        return form

    def run(self, ctx, form):
        options = form.options()
        key, number = form.value("photo"), form.value("candidate")
        if _photos.kept(ctx, key) is None:
            pixels, brain_key = _photo(ctx, form), options.get("brain_key") or _first(ctx)
            model = _weights.recorded(ctx, _forms.vectors_path(ctx, brain_key))
            found = simfind.detect_query(pixels, samples=ctx.dataset, brain_key=brain_key, **model)
            if number is None:
                return self._ask(ctx, _photos.keep(ctx, brain_key, pixels, found), found)
            chosen = found[_row(number, len(found))]
        else:
            kept = _photos.kept(ctx, key)
            brain_key = kept["brain_key"]
            chosen = _photos.candidate(ctx, key, _row(number, len(kept["candidates"])))
        return search_and_show(ctx, chosen, {**options, "brain_key": brain_key})

    def _ask(self, ctx, key, found):
        """Have the user choose one of the objects of a photo."""
        given = {name: value for name, value in ctx.params.items() if name not in ("photo", "url")}
        ctx.prompt(self.uri, params={**given, "photo": key})
        seen = [{"candidate": row, "label": c.label, "confidence": c.confidence} for row, c in enumerate(found[:-1])]
        text = f"{_forms.plural(len(seen), 'object')} found in the photo. Choose one, or “{WHOLE}”"
        return {"summary": text, "photo": key, "candidates": [*seen, {"candidate": WHOLE}]}

    def __call__(self, sample_collection, photo, candidate=0, *, brain_key="simfind", **options):
        """The patches view for a script, of a photo's path or pixels and the number of an object in it."""
        found = simfind.detect_query(photo, samples=sample_collection, brain_key=brain_key)
        chosen = found[_row(candidate, len(found))]
        return simfind.sort_by_similarity(sample_collection, chosen, brain_key=brain_key, **options)

    def output(self, results):
        outputs = types.Object()
        outputs.str("summary", label="Summary")
        outputs.str("photo", label="Photo")
        return types.Property(outputs, view=types.View(label="Photo searched"))


def _ask_photo(ctx, form):
    """Ask for a photo, or for its address."""
    settings = _settings.load()
    view = types.FileView(types=KINDS, max_size=settings.max_bytes)
    about = "A JPEG, PNG, WebP, BMP, GIF or TIFF; its objects are found first, and then you choose one"
    # FiftyOne cannot check a file that is none.
    kind = types.UploadedFile() if isinstance(ctx.params.get("photo", {}), (dict, type(None))) else types.String()
    field = form.inputs.define_property("photo", kind, label="Photo", description=about, view=view)
    photo, url = form.value("photo"), form.value("url")
    if settings.allow_urls:
        form.inputs.str("url", label="Or its address", description="http:// or https://, of an image")
    else:
        form.notice("no_urls", NO_URLS)
    if url is not None and not settings.allow_urls:
        form.refuse(field, NO_URLS)
    elif url is not None and (not isinstance(url, str) or len(url) > 2000):
        form.refuse(field, f"url must be an address of at most 2,000 characters, and is {_forms.cut(url)}")
    elif photo is None and url is None:
        form.refuse(field, "no photo is given; upload one" + (", or give its address" * settings.allow_urls))
    elif photo is not None and not isinstance(_content(photo), str):
        form.refuse(field, f"photo must be an uploaded file or a data URL, and is {_forms.cut(photo)}")
    about = "Number of the object, from 0 as the model is surest, or “whole”; empty asks when they are found"
    _check_candidate(form, form.inputs.str("candidate", label="Object", description=about))


def _ask_candidate(form, found):
    """Ask which of the objects that were found is meant."""
    view = types.RadioGroup()
    for row, candidate in enumerate(found[:-1]):
        view.add_choice(str(row), label=f"{row + 1}: {candidate['label']} {candidate['confidence']:.2f}")
    view.add_choice(WHOLE, label="whole photo")
    values = view.values()
    field = form.inputs.enum("candidate", values, default=values[0], required=True, label="Search for", view=view)
    number = _check_candidate(form, field)
    if number is not None and str(number) not in values:
        form.refuse(field, f"the photo has no object {_forms.cut(number)}; choose one of {', '.join(values)}")


def _check_candidate(form, field):
    number = form.value("candidate")
    is_number = isinstance(number, int) and not isinstance(number, bool) and number >= 0
    is_text = isinstance(number, str) and (number == WHOLE or (number.isascii() and number.isdecimal()))
    if number is not None and not is_number and not is_text:
        form.refuse(field, f"candidate must be a number from 0 on, or “{WHOLE}”, and is {_forms.cut(number)}")
    return number


def _row(number, count):
    """The row of a candidate; the last one is the whole photo."""
    row = count - 1 if number == WHOLE else int(number or 0)
    if not 0 <= row < count:
        raise simfind.QueryError(f"the photo has no object {row}; it has {_forms.plural(count - 1, 'object')}")
    return row


def _first(ctx):
    return min(_forms.object_indexes(ctx), key=lambda name: (name != "simfind", name))


def _content(photo):
    """The base64 of an uploaded file, whatever holds it."""
    return photo.get("content") if isinstance(photo, dict) else photo


def _photo(ctx, form):
    """The pixels of the photo that is given."""
    settings, url = _settings.load(), form.value("url")
    if form.value("photo") is not None:
        content = _photos.decoded(_content(form.value("photo")), settings.max_bytes)
    else:
        content = simfind.fetch_image(url.strip(), max_bytes=settings.max_bytes, allowed_hosts=settings.url_hosts)
    return simfind.read_image(content, max_bytes=settings.max_bytes, max_pixels=int(settings.max_pixels))
