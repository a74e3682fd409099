"""What FiftyOne's own Similarity Search panel asks of an index: the panel's operators, run as the App runs them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind.numerics import vectors as vx

SEARCH = "@voxel51/panels/similarity_search"
COLOURS = ["red", "lime", "blue", "yellow"]


def offered(dataset):
    """What the panel knows of each index."""
    from fiftyone.operators.executor import ExecutionContext
    from plugins.panels.similarity_search import SimilaritySearchPanel

    context = ExecutionContext(request_params={"dataset_name": dataset.name})
    return {found["key"]: found for found in SimilaritySearchPanel()._get_brain_keys(context)}


def searched(dataset, query, **params):
    """The ids that the panel's search finds, in their order."""
    import fiftyone.operators as foo
    from fiftyone.operators.store import ExecutionStore

    kind = params.pop("query_type", "image")
    params = {"brain_key": "simfind", "query": query, "query_type": kind, "k": 9, "reverse": False, **params}
    params["patches_field"] = dataset.get_brain_info(params["brain_key"]).config.patches_field
    done = foo.execute_operator(SEARCH, dict(dataset=dataset, params=params))
    done.raise_exceptions()
    store = ExecutionStore.create("similarity_search_panel", dataset._doc.id)
    return store.get(f"run:{done.result['run_id']}")["result_ids"]


@pytest.fixture
def stored(crowd):
    """The vectors of the crowd as they lie in the dataset, by label id."""
    ids, vectors = crowd.values(["things.detections.id", "things.detections.embedding"], unwind=True)
    return dict(zip(ids, np.array(vectors), strict=True))


@pytest.mark.parametrize("whiten", [False, True])
def test_negatives_are_what_the_panel_makes_of_the_stored_vectors(crowd, stored, whiten):
    index = simfind.build_index(crowd, "things", whiten=whiten)
    ids = list(stored)
    like, unlike = [ids[3], ids[20]], [ids[7], ids[50], ids[90]]
    query = 2 * np.mean([stored[i] for i in like], axis=0) - np.mean([stored[i] for i in unlike], axis=0)
    as_compared = index.home.whitening().apply if whiten else vx.normalize
    scores = as_compared(np.array(list(stored.values()))) @ as_compared(query[None])[0]
    expected = [ids[row] for row in np.argsort(-scores, kind="stable")[:9]]
    assert searched(crowd, like, negative_query_ids=unlike) == expected


def test_without_whitening_negatives_count_as_in_our_search(toys):
    simfind.build_index(toys, "objects", whiten=False)
    ids = toys.values("objects.detections.id", unwind=True)
    for like, unlike in ([ids[:2], ids[5:6]], [ids[3:5], ids[:2]]):
        ours = simfind.search(toys, like, negatives=unlike, k=8, include_query=True).ids
        assert searched(toys, like, negative_query_ids=unlike) == ours


def test_without_whitening_negatives_do_what_they_do_on_brains_own_index(crowd, stored):
    simfind.build_index(crowd, "things", whiten=False)
    simfind.build_index(crowd, "things", brain_key="brains", backend="sklearn", whiten=False, metric="cosine")
    like, unlike = list(stored)[3:5], list(stored)[30:33]
    found = [searched(crowd, like, negative_query_ids=unlike, brain_key=key) for key in ("simfind", "brains")]
    assert found[0] == found[1]


def upload(colour):
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), colour).save(picture, "PNG")
    return {"name": "own.png", "content": base64.b64encode(picture.getvalue()).decode()}


def labels(dataset, ids):
    return dataset.to_patches("things").select(ids, ordered=True).values("things.label")


def index_of(dataset, model, **options):
    simfind.embed(dataset, "things", model=model, progress=False, **options)
    return simfind.build_index(dataset, "things", overwrite=True)


@pytest.mark.parametrize("model", ["toy-colours", "toy-wordless"])
def test_an_index_of_a_zoo_models_vectors_names_it_and_says_whether_it_knows_words(colours, model):
    index = index_of(colours, f"zoo:{model}")
    words = model == "toy-colours"
    assert index.supports_prompts is words
    found = offered(colours)["simfind"]
    assert (found["model"], found["supports_prompts"], found["patches_field"]) == (model, words, "things")


def test_the_model_is_not_loaded_when_the_index_is_built(colours, monkeypatch):
    import fiftyone.zoo as foz

    simfind.embed(colours, "things", model="zoo:toy-colours", progress=False)
    monkeypatch.setattr(foz, "load_zoo_model", lambda *a, **k: pytest.fail("a model was loaded"))
    assert simfind.build_index(colours, "things").config.model == "toy-colours"


def test_an_index_made_by_brain_with_a_zoo_model_answers_in_words(colours):
    import fiftyone.brain as fob

    fob.compute_similarity(
        colours,
        model="toy-colours",
        patches_field="things",
        embeddings="embedding",
        backend="simfind",
        brain_key="simfind",
        progress=False,
    )
    assert labels(colours, searched(colours, "blue", query_type="text", k=3)) == ["blue"] * 3


@pytest.mark.parametrize("colour", COLOURS)
def test_a_word_finds_what_it_says(colours, colour):
    index_of(colours, "zoo:toy-colours")
    assert set(labels(colours, searched(colours, colour, query_type="text", k=4))) == {colour}


def test_what_all_pictures_share_is_not_taken_off_a_word(colours):
    index = index_of(colours, "zoo:toy-colours")
    whitening = index.home.whitening()
    ids, stored = colours.values(["things.detections.id", "things.detections.embedding"], unwind=True)
    scores = whitening.apply(np.array(stored)) @ (np.tile(np.array([1, 1, 0]), 16) @ whitening.axes[0])
    expected = [ids[row] for row in np.argsort(-scores, kind="stable")]
    assert searched(colours, "yellow", query_type="text", k=20) == expected


@pytest.mark.parametrize("model", ["toy-colours", "toy-wordless"])
def test_an_uploaded_picture_finds_what_looks_like_it(colours, model):
    index_of(colours, f"zoo:{model}")
    found = searched(colours, "own.png", query_type="upload", query_image=upload("blue"), k=4)
    assert set(labels(colours, found)) == {"blue"}


def test_the_panel_offers_the_same_on_our_index_of_other_vectors_as_on_brains_own(crowd):
    simfind.build_index(crowd, "things")
    simfind.build_index(crowd, "things", brain_key="brains", backend="sklearn", metric="cosine")
    ours, brains = (offered(crowd)[key] for key in ("simfind", "brains"))
    own = {"key": "simfind", "backend": "simfind"}
    assert ours == {**brains, **own}
    assert (ours["model"], ours["supports_prompts"], ours["supports_least_similarity"]) == (None, False, True)


def test_an_index_of_other_vectors_refuses_words_and_pictures_and_says_why(crowd):
    simfind.build_index(crowd, "things")
    with pytest.raises(ValueError, match="'blue'; this model does not support prompts"):
        crowd.to_patches("things").sort_by_similarity("blue", brain_key="simfind", k=3)
    with pytest.raises(Exception, match="Upload query requires a brain run with a configured model: 'simfind'"):
        searched(crowd, "own.png", query_type="upload", query_image=upload("blue"))


def test_an_address_is_never_taken_for_a_model(colours):
    index = index_of(colours, "zoo:toy-colours")
    field = colours.get_field("things.detections.embedding")
    field.info = {"simfind": {**field.info["simfind"], "weights": "zoo:https://github.com/any/models"}}
    field.save()
    index.reload()
    assert (offered(colours)["simfind"]["model"], index.supports_prompts) == (None, False)


def test_an_index_that_gets_another_models_vectors_forgets_the_zoo_model(colours):
    index_of(colours, "zoo:toy-colours")
    simfind.embed(colours, "things", model="zoo:toy-wordless", progress=False, overwrite=True)
    simfind.refresh(colours, progress=False)
    found = offered(colours)["simfind"]
    assert (found["model"], found["supports_prompts"]) == ("toy-wordless", False)
