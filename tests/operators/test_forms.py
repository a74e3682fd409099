"""The operators from Python: their forms, what they call, and what they tell the App to do."""

import inspect

import pytest

import fiftyone_simfind as simfind

URI = "@simfind/objects"
VERBS = {
    "detect_objects": "detect",
    "embed_objects": "embed",
    "build_index": "build_index",
    "refresh_index": "refresh",
    "delete_index": "delete_index",
    "sort_by_similarity": "search",
    "similar_to_label": "search",
    "search_by_photo": "search",
    "visualize_objects": "visualize",
    "compute_neighbors": "compute_neighbors",
    "evaluate_retrieval": "evaluate",
    "clear_scores": "clear_scores",
}
OTHERS = {"job_status", "cancel_job", "object_pictures", "find_in_photo"}  # for the panel
LONG = ["detect_objects", "embed_objects", "build_index", "refresh_index", "visualize_objects", "compute_neighbors"] + [
    "evaluate_retrieval"
]
NOT_OPTIONS = {"selected", "blocked", "status", "warning", "no_urls"}  # lines to read
OUR_OWN = {"confirm", "photo", "url", "candidate"}
# Of these the form shows a word for what the verb does by default, or writes it as a person does.
IN_WORDS = {"emphasis": "all", "k": "1, 5, 10"}


def keywords(name):
    """The parameters of an operator's verb; those of a search that writes scores are two verbs'."""
    parameters = dict(inspect.signature(getattr(simfind, VERBS[name])).parameters)
    if VERBS[name] == "search":
        parameters["score_field"] = inspect.signature(simfind.sort_by_similarity).parameters["score_field"]
    return parameters


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
    ours = {o.name for o in foo.list_operators(type="operator") if o.uri.startswith(URI)}
    assert ours == set(VERBS) | OTHERS


@pytest.fixture
def scored(indexed):
    """The toys with scores of a search, so that there are some to clear."""
    simfind.sort_by_similarity(indexed, indexed.first().objects.detections[0], score_field="score")
    return indexed


@pytest.mark.parametrize("name", VERBS)
def test_form_keys_are_the_sdks_keywords(scored, form_of, name):
    assert set(form_of(scored, name)) - NOT_OPTIONS - OUR_OWN <= set(keywords(name))


@pytest.mark.parametrize("name", VERBS)
def test_forms_ask_for_all_that_a_person_can_say(scored, form_of, name):
    """What is left out is for programmers, or is said with a selection or a choice of samples."""
    left_out = {
        "samples",
        "query",
        "image",
        "negatives",
        "query_domain",
        "num_workers",
        "device",
        "cluster",
        "progress",
        "whiten",
    }
    left_out |= {"backend_kwargs", "kwargs", "search_options"}
    if name == "refresh_index":
        left_out |= {"image_size"}
    assert set(keywords(name)) - left_out == set(form_of(scored, name)) - NOT_OPTIONS - OUR_OWN


@pytest.mark.parametrize("name", VERBS)
def test_form_defaults_are_the_sdks_defaults(scored, form_of, name):
    parameters = keywords(name)
    for key, field in form_of(scored, name).items():
        if key in parameters and parameters[key].default is not inspect.Parameter.empty:
            assert field.default in (parameters[key].default, IN_WORDS.get(key)), key


@pytest.mark.parametrize("name", VERBS)
def test_every_field_has_a_label_and_every_operator_says_what_it_is_for(scored, form_of, name):
    import fiftyone.operators as foo

    assert len(foo.get_operator(f"{URI}/{name}").config.description) > 40
    for key, field in form_of(scored, name).items():
        assert field.view.label, key


def test_destructive_operators_declare_a_high_risk_and_the_others_a_lower_one():
    import fiftyone.operators as foo

    risks = {name: foo.get_operator(f"{URI}/{name}").config.risk_level.value for name in VERBS}
    assert {name for name, risk in risks.items() if risk == "high"} == {"delete_index", "clear_scores"}
    assert set(risks.values()) == {"low", "medium", "high"}


@pytest.mark.parametrize("name", LONG)
def test_long_operators_can_be_delegated(name):
    import fiftyone.operators as foo

    config = foo.get_operator(f"{URI}/{name}").config
    assert config.allow_delegated_execution
    assert config.execute_as_generator


def test_the_index_form_offers_the_fields_that_have_vectors(toys, form_of):
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


def test_selected_patches_are_searched_for(indexed, execute):
    patches = indexed.to_patches("objects")
    (target, other) = patches.values("id")[:2]
    result = execute(patches, "sort_by_similarity", selected=[target, other], params={"k": 3})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, [target, other], k=3).ids


def test_alt_clicked_patches_are_negatives(indexed, execute):
    patches = indexed.to_patches("objects")
    (target, unlike) = patches.values("id")[2:4]
    selected = [{"id": target, "type": "default"}, {"id": unlike, "type": "alt"}]
    result = execute(patches, "sort_by_similarity", selected_samples=selected, params={})
    expected = simfind.search(indexed, target, negatives=[unlike])
    assert view_for_the_app(indexed, result).values("id") == expected.ids


def test_labels_clicked_in_a_sample_are_searched_for(indexed, execute):
    sample = indexed.first()
    target = sample.objects.detections[1].id
    label = {"label_id": target, "sample_id": sample.id, "field": "objects"}
    result = execute(indexed, "sort_by_similarity", selected_labels=[label], current_sample=sample.id, params={})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, target).ids
    assert "close_sample" in asked_of_the_app(result)


def test_the_selection_is_cleared_afterwards(indexed, execute):
    patches = indexed.to_patches("objects")
    result = execute(patches, "sort_by_similarity", selected=[patches.first().id], params={})
    assert {"clear_selected_samples", "clear_selected_labels"} <= set(asked_of_the_app(result))


def test_a_match_can_be_searched_for_in_turn(indexed, execute):
    first = indexed.to_patches("objects").first().id
    results = simfind.search(indexed.to_patches("objects"), first, k=2)
    result = execute(results.view(), "sort_by_similarity", selected=[results.ids[0]], params={})
    assert view_for_the_app(indexed, result).values("id") == simfind.search(indexed, results.ids[0]).ids


def test_filters_of_the_view_are_kept(indexed, execute):
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
def test_a_selection_that_cannot_be_searched_for_says_what_to_do(indexed, ctx, message, execute):
    if ctx.get("selected"):
        ctx = {"selected": [indexed.first().id]}
    with pytest.raises(Exception, match=message):
        execute(indexed, "sort_by_similarity", params={"k": 3}, **ctx)


def test_the_button_with_nothing_selected_opens_the_form(indexed, app):
    assert app(indexed, "sort_by_similarity").asked() == ["prompt_user_for_operation"]


def test_a_threshold_that_leaves_nothing_says_so_and_changes_nothing(indexed, execute):
    patches = indexed.to_patches("objects")
    result = execute(patches, "sort_by_similarity", selected=[patches.last().id], params={"min_score": 1.0})
    assert asked_of_the_app(result) == ["notify"]


def test_an_error_of_the_sdk_comes_through(indexed, execute):
    with pytest.raises(Exception, match="already has a brain run"):
        execute(indexed, "build_index", params={"patches_field": "objects"})
