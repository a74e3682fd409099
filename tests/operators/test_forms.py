"""The operators from Python: their forms, what they call, and what they tell the App to do."""

import inspect

import pytest

import fiftyone_simfind as simfind

URI = "@simfind/objects"
VERBS = {
    "detect_objects": "detect",
    "embed_objects": "embed",
    "build_index": "build_index",
    "sort_by_similarity": "search",
    "similar_to_label": "search",
    "visualize_objects": "visualize",
}
NOT_OPTIONS = {"selected", "blocked"}  # lines to read


@pytest.fixture
def indexed(toys):
    simfind.build_index(toys, "objects")
    return toys


def form_of(dataset, name, **params):
    import fiftyone.operators as foo

    ctx = foo.ExecutionContext({"dataset_name": dataset.name, "params": params}, operator_uri=f"{URI}/{name}")
    return foo.get_operator(f"{URI}/{name}").resolve_input(ctx).type.properties


def execute(dataset_or_view, name, **ctx):
    import fiftyone.operators as foo

    return foo.execute_operator(f"{URI}/{name}", {"view": dataset_or_view.view(), **ctx})


def asked_of_the_app(result):
    return [request.operator_uri for request in result.executor._requests]


def view_for_the_app(dataset, result):
    import json

    import fiftyone.core.view as fov
    from bson import json_util

    (request,) = [r for r in result.executor._requests if r.operator_uri == "set_view"]
    return fov.DatasetView._build(dataset, json_util.loads(json.dumps(request.params["view"])))


def test_every_operator_loads():
    import fiftyone.operators as foo
    from fiftyone.operators.registry import OperatorRegistry

    assert OperatorRegistry().list_errors() == []
    assert {o.name for o in foo.list_operators() if o.uri.startswith(URI)} == set(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_form_keys_are_the_sdks_keywords(indexed, name):
    keywords = set(inspect.signature(getattr(simfind, VERBS[name])).parameters)
    assert set(form_of(indexed, name)) - NOT_OPTIONS <= keywords


@pytest.mark.parametrize("name", VERBS)
def test_form_defaults_are_the_sdks_defaults(indexed, name):
    parameters = inspect.signature(getattr(simfind, VERBS[name])).parameters
    for key, field in form_of(indexed, name).items():
        if key in parameters and parameters[key].default is not inspect.Parameter.empty:
            assert field.default == parameters[key].default, key


@pytest.mark.parametrize("name", VERBS)
def test_every_operator_declares_its_risk(name):
    import fiftyone.operators as foo

    assert foo.get_operator(f"{URI}/{name}").config.risk_level.value in ("low", "medium")


@pytest.mark.parametrize("name", ["detect_objects", "embed_objects", "build_index", "visualize_objects"])
def test_long_operators_can_be_delegated(name):
    import fiftyone.operators as foo

    assert foo.get_operator(f"{URI}/{name}").config.allow_delegated_execution


def test_the_index_form_offers_the_fields_that_have_vectors(toys):
    toys.clone_sample_field("objects", "plain")
    toys.delete_sample_field("plain.detections.embedding")
    assert form_of(toys, "build_index")["patches_field"].type.values == ["objects"]


def test_the_whole_job_runs_from_scripts(tmp_path):
    import fiftyone.operators as foo

    from fiftyone_simfind.showroom.dataset import load

    dataset = load(3, folder=tmp_path)
    foo.get_operator(f"{URI}/detect_objects")(dataset, model="showroom.pt")
    foo.get_operator(f"{URI}/embed_objects")(dataset, "ground_truth", model="showroom.pt")
    foo.get_operator(f"{URI}/build_index")(dataset, "objects")
    foo.get_operator(f"{URI}/visualize_objects")(dataset, method="pca")
    target = dataset.first().objects.detections[0].id
    view = foo.get_operator(f"{URI}/sort_by_similarity")(dataset, target, k=3)
    assert view.values("id") == simfind.search(dataset, target, k=3).ids
    assert dataset.count("ground_truth.detections.embedding") == dataset.count("ground_truth.detections")
    assert sorted(dataset.list_brain_runs()) == ["simfind", "simfind_pca"]
    dataset.delete()


def test_selected_patches_are_searched_for(indexed):
    patches = indexed.to_patches("objects")
    (target, other) = patches.values("id")[:2]
    result = execute(patches, "sort_by_similarity", selected=[target, other], params={"k": 3})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, [target, other], k=3).ids


def test_alt_clicked_patches_are_negatives(indexed):
    patches = indexed.to_patches("objects")
    (target, unlike) = patches.values("id")[2:4]
    selected = [{"id": target, "type": "default"}, {"id": unlike, "type": "alt"}]
    result = execute(patches, "sort_by_similarity", selected_samples=selected, params={})
    expected = simfind.search(indexed, target, negatives=[unlike])
    assert view_for_the_app(indexed, result).values("id") == expected.ids


def test_labels_clicked_in_a_sample_are_searched_for(indexed):
    sample = indexed.first()
    target = sample.objects.detections[1].id
    label = {"label_id": target, "sample_id": sample.id, "field": "objects"}
    result = execute(indexed, "sort_by_similarity", selected_labels=[label], current_sample=sample.id, params={})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, target).ids
    assert "close_sample" in asked_of_the_app(result)


def test_the_selection_is_cleared_afterwards(indexed):
    patches = indexed.to_patches("objects")
    result = execute(patches, "sort_by_similarity", selected=[patches.first().id], params={})
    assert {"clear_selected_samples", "clear_selected_labels"} <= set(asked_of_the_app(result))


def test_a_match_can_be_searched_for_in_turn(indexed):
    first = indexed.to_patches("objects").first().id
    results = simfind.search(indexed.to_patches("objects"), first, k=2)
    result = execute(results.view(), "sort_by_similarity", selected=[results.ids[0]], params={})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, results.ids[0]).ids


def test_filters_of_the_view_are_kept(indexed):
    from fiftyone import ViewField as F

    mugs = indexed.to_patches("objects").match(F("objects.label") == "mug")
    first = mugs.first().id
    result = execute(mugs, "sort_by_similarity", selected=[first], params={})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, first, classes=["mug"]).ids


@pytest.mark.parametrize(
    ("ctx", "message"),
    [
        ({}, "Select the objects to look for"),
        ({"selected": "first image"}, "1 whole image is selected"),
        ({"selected_labels": [{"label_id": "x", "sample_id": "y", "field": "other"}]}, "lie in “other”, but the index"),
        (
            {"selected_labels": [{"label_id": "x", "field": "objects"}, {"label_id": "y", "field": "other"}]},
            "lie in several fields",
        ),
    ],
)
def test_a_selection_that_cannot_be_searched_for_says_what_to_do(indexed, ctx, message):
    if ctx.get("selected"):
        ctx = {"selected": [indexed.first().id]}
    with pytest.raises(Exception, match=message):
        execute(indexed, "sort_by_similarity", params={"k": 3}, **ctx)


def test_the_button_with_nothing_selected_opens_the_form(indexed):
    result = execute(indexed, "sort_by_similarity", params={})
    assert asked_of_the_app(result) == ["prompt_user_for_operation"]


def test_a_threshold_that_leaves_nothing_says_so_and_changes_nothing(indexed):
    patches = indexed.to_patches("objects")
    result = execute(patches, "sort_by_similarity", selected=[patches.last().id], params={"min_score": 1.0})
    assert asked_of_the_app(result) == ["notify"]


def test_an_error_of_the_sdk_comes_through(indexed):
    with pytest.raises(Exception, match="already has a brain run"):
        execute(indexed, "build_index", params={"patches_field": "objects"})
