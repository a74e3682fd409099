"""Search for an object in a photo that is not in the dataset."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _settings, _uploads
from ._operator import Operator
from ._search_form import SearchForm, search_and_show
from .find_in_photo import FindInPhoto, look_at
from .panel import _photos

WHOLE = "whole"
FOUND = "found_"  # how fields begin that a photo was looked at for
KINDS = ".jpg,.jpeg,.png,.webp,.bmp,.gif,.tif,.tiff"
NO_URLS = (
    "A photo's address can be given where whoever runs the server allows it, with the setting “allow_urls” of "
    f"{_settings.PLUGIN} (see docs/plugin.md)"
)


class SearchByPhoto(Operator):
    """A form for :func:`fiftyone_simfind.detect_query` and :func:`fiftyone_simfind.sort_by_similarity`.

    The form has the photo looked at when it is uploaded, and offers its objects. Without a candidate the operator only
    says which objects there are. A photo is kept for an hour beside the dataset, and never becomes a part of it.
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
        photo = form.value("photo")
        if isinstance(photo, str) and _photos.KEY.fullmatch(photo):
            _ask_again(ctx, form, indexes, photo)
        else:
            _ask_photo(ctx, form, _index(ctx, indexes))
            form.ask(indexes, _index(ctx, indexes))
        return form

    def run(self, ctx, form):
        options = form.options()
        number = form.value("candidate")
        kept = _photos.kept(ctx, _key(ctx))
        if kept is not None:
            brain_key = kept["brain_key"]
            chosen = _photos.candidate(ctx, _key(ctx), _row(number, len(kept["candidates"])))
        else:
            brain_key = options.get("brain_key") or _index(ctx, _forms.object_indexes(ctx))
            content = _content(form.value("photo"))
            pixels, found = look_at(ctx, brain_key, content=content, url=form.value("url"))
            if number is None:
                return _offer(_photos.keep(ctx, brain_key, pixels, found), found)
            chosen = found[_row(number, len(found))]
        return search_and_show(ctx, chosen, {**options, "brain_key": brain_key})

    def __call__(self, sample_collection, photo, candidate=0, *, brain_key="simfind", **options):
        """The patches view for a script, of a photo's path or pixels and the number of an object in it."""
        found = simfind.detect_query(photo, samples=sample_collection, brain_key=brain_key)
        chosen = found[_row(candidate, len(found))]
        return simfind.sort_by_similarity(sample_collection, chosen, brain_key=brain_key, **options)

    def output(self, results):
        outputs = types.Object()
        outputs.str("summary", label="Summary")
        outputs.str("objects", label="Objects")
        return types.Property(outputs, view=types.View(label="Photo searched"))


def _offer(key, found):
    """Say which objects there are in a photo."""
    seen = [{"candidate": row, "label": c.label, "confidence": c.confidence} for row, c in enumerate(found[:-1])]
    words = ", ".join(f"{one['candidate']}: {one['label']} {one['confidence']:.2f}" for one in seen)
    text = f"{_forms.plural(len(seen), 'object')} found in the photo. Run it again with the number of one, or “{WHOLE}”"
    candidates = [*seen, {"candidate": WHOLE}]
    return {"summary": text, "objects": words, "photo": key, "candidates": candidates, "asks": True}


def _ask_again(ctx, form, indexes, key):
    """The form for a photo that was looked at before."""
    kept = _photos.kept(ctx, key)
    if kept is None:
        return form.stop(_photos.GONE)
    form.inputs.str("photo", view=types.HiddenView())
    _ask_candidate(form, kept["candidates"])
    return form.ask({kept["brain_key"]: indexes.get(kept["brain_key"], "")}, kept["brain_key"])


def _ask_photo(ctx, form, brain_key):
    """Ask for a photo, or for its address, and for one of its objects."""
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
    problem = None if photo is None else _problem(photo, settings.max_bytes)
    if problem:
        form.refuse(field, problem)
    elif ctx.executor is None and photo is not None and url is None:
        _ask_found(ctx, form, brain_key, _uploads.remember(_content(photo)))
        return
    if ctx.executor is not None:
        form.inputs.properties.update(dict.fromkeys(filter(_is_found, ctx.params), types.Property(types.String())))
    about = "Number of the object, from 0 as the model is surest, or “whole”; empty only tells which there are"
    _check_candidate(form, form.inputs.str("candidate", label="Object", description=about))


def _problem(photo, max_bytes):
    """Why an uploaded file is not looked at; None where it is."""
    content = _content(photo)
    if not isinstance(content, str):
        return f"photo must be an uploaded file or a data URL, and is {_forms.cut(photo)}"
    return _photos.too_large(content, max_bytes)


def _ask_found(ctx, form, brain_key, digest):
    """Have the photo looked at, and ask for one of its objects once they are known."""
    name = _found(digest, brain_key)  # of another photo it is another field, which is loaded anew
    uri, given = f"{_settings.PLUGIN}/{FindInPhoto().name}", {"upload": digest, "brain_key": brain_key}
    form.inputs.loader(name, types.Object(), operator=uri, params=given, label="Looking for objects in the photo ...")
    data = _loaded(ctx.params.get(name))
    kept = _photos.kept(ctx, data.get("photo"))
    if kept is not None:
        _ask_candidate(form, kept["candidates"])
    elif data:
        form.obstacle("problem", str(data.get("error") or _photos.GONE), types.Error)
    else:
        form.refuse(form.inputs.str("candidate", view=types.HiddenView()), "the photo is being looked at")


def _is_found(name):
    return isinstance(name, str) and name.startswith(FOUND)


def _loaded(value):
    """What a loader has loaded."""
    data = value.get("data") if isinstance(value, dict) and value.get("state") == "loaded" else None
    return data if isinstance(data, dict) else {}


def _key(ctx):
    """The key of a photo that was looked at before, by the form or by an earlier run."""
    photo = ctx.params.get("photo")
    if isinstance(photo, str) and _photos.KEY.fullmatch(photo):
        return photo
    if not isinstance(_content(photo), str):
        return None
    name = _found(_uploads.digest(_content(photo)), _index(ctx, _forms.object_indexes(ctx)))
    return _loaded(ctx.params.get(name)).get("photo")


def _found(digest, brain_key):
    """The form's field for the objects that an index's model finds in a photo."""
    return f"{FOUND}{digest[:16]}_{brain_key}"


def _ask_candidate(form, found):
    """Ask which of the objects that were found is meant."""
    view = types.RadioGroup()
    for row, candidate in enumerate(found[:-1]):
        view.add_choice(str(row), label=f"{row + 1}: {candidate['label']} {candidate['confidence']:.2f}")
    view.add_choice(WHOLE, label="whole photo")
    values = view.values()
    about = "Surest first; without a choice the first is searched for"
    field = form.inputs.enum("candidate", values, default=values[0], label="Search for", description=about, view=view)
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


def _index(ctx, indexes):
    """The index that is chosen in the form, or else the first."""
    chosen = _forms.key(ctx, "brain_key")
    return chosen if chosen in indexes else min(indexes, key=lambda name: (name != "simfind", name))


def _content(photo):
    """The base64 of an uploaded file, whatever holds it."""
    return photo.get("content") if isinstance(photo, dict) else photo
