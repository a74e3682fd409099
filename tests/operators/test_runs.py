"""What operators do when all is well, and what they say when something is missing that a person can mend."""

import functools
import re
from pathlib import Path

import pytest

import fiftyone_simfind as simfind


@pytest.fixture
def found_in(view_of):
    return lambda dataset, answer: view_of(dataset, answer).values("id")


@pytest.fixture
def view_of():
    """The view that the App is asked to show."""

    def view_of(dataset, answer):
        import fiftyone.core.view as fov
        from bson import json_util

        (params,) = [params for operator, params in answer.requests if operator == "set_view"]
        return fov.DatasetView._build(dataset, json_util.loads(json_util.dumps(params["view"])))

    return view_of


def ticked(dataset, *label_ids):
    return {"view": dataset.to_patches("objects"), "selected": list(label_ids)}


def ids(dataset):
    return dataset.values("objects.detections.id", unwind=True)


# --- searching -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"k": 3, "scope": "same_class"},
        {"scope": "other_classes", "one_per_image": True},
        {"classes": ["vase"], "min_score": 0.1},
        {"reverse": True, "exclude_same_image": True},
        {"include_query": True, "k": 1},
    ],
)
def test_the_grid_shows_what_the_sdk_finds(indexed, app, found_in, options):
    query = ids(indexed)[0]
    answer = app(indexed, "sort_by_similarity", options, **ticked(indexed, query))
    assert found_in(indexed, answer) == simfind.search(indexed, query, **options).ids


def test_emphasis_and_rerank_reach_the_sdk(scenes, app, monkeypatch):
    seen = {}
    search = simfind.search

    @functools.wraps(search)
    def remember(samples, query, **options):
        seen.update(options)
        return search(samples, query)

    monkeypatch.setattr(simfind, "search", remember)
    params = {"emphasis": "look", "rerank": "mobilenet_v2", "rerank_depth": 50}
    app(scenes, "sort_by_similarity", params, **ticked(scenes, ids(scenes)[0]))
    assert {key: seen[key] for key in params} == params
    seen.clear()
    app(scenes, "sort_by_similarity", {"emphasis": "all"}, **ticked(scenes, ids(scenes)[0]))
    assert "emphasis" not in seen


def test_a_script_is_told_the_best_matches(indexed, execute):
    query = ids(indexed)[0]
    selected = [{"label_id": query, "sample_id": indexed.first().id, "field": "objects"}]
    result = execute(indexed, "sort_by_similarity", params={"k": 3}, selected_labels=selected).result
    expected = simfind.search(indexed, query, k=3)
    assert result["count"] == 3
    assert [(m["label_id"], m["score"]) for m in result["matches"]] == [(m.label_id, m.score) for m in expected]


def test_scores_are_written_only_when_asked_for_and_cleared_again(indexed, app):
    query = ids(indexed)[0]
    before = set(indexed.get_field_schema(flat=True))
    app(indexed, "sort_by_similarity", {"k": 3}, **ticked(indexed, query))
    indexed.reload()
    assert set(indexed.get_field_schema(flat=True)) == before
    app(indexed, "sort_by_similarity", {"k": 3, "score_field": "likeness"}, **ticked(indexed, query))
    indexed.reload()
    assert indexed.count("objects.detections.likeness") == 3
    params = {"patches_field": "objects", "score_field": "likeness", "confirm": True}
    answer = app(indexed, "clear_scores", params)
    assert answer.told("success") == ["The scores of 3 objects in “objects” are removed"]
    indexed.reload()
    assert set(indexed.get_field_schema(flat=True)) == before


def test_a_search_on_a_stale_index_shows_results_and_what_repairs_it(scenes, app):
    sample = scenes.first()
    sample.objects.detections[0].bounding_box = [0.1, 0.1, 0.3, 0.3]
    sample.save()
    answer = app(scenes, "sort_by_similarity", {"k": 3}, **ticked(scenes, ids(scenes)[5]))
    assert "set_view" in answer.asked()
    assert answer.told("warning") == [
        "The index is behind its dataset: objects 1 edited. “Simfind: refresh index” repairs it"
    ]
    assert app(scenes, "refresh_index").told("success")
    assert not app(scenes, "sort_by_similarity", {"k": 3}, **ticked(scenes, ids(scenes)[5])).told("warning")


def test_an_object_without_a_vector_says_what_to_do_in_the_app(indexed, app):
    import fiftyone as fo

    sample = indexed.first()
    sample.objects.detections.append(fo.Detection(label="mug", bounding_box=[0.1, 0.1, 0.2, 0.2]))
    sample.save()
    new = sample.objects.detections[-1].id
    (told,) = app(indexed, "sort_by_similarity", {}, **ticked(indexed, new)).told("error")
    assert "has no vector" in told
    assert "“Simfind: embed objects”" in told
    assert "“Simfind: refresh index”" in told
    assert "simfind." not in told.replace("simfind.detect_query", "")


def test_a_wrong_model_says_what_to_do_in_the_app(scenes, app, monkeypatch):
    from fiftyone_simfind import testing
    from fiftyone_simfind.models import registry

    monkeypatch.setattr(registry, "_load_named", lambda *args: testing.FakeDetector())
    sample = scenes.first()
    sample.objects.detections[0].bounding_box = [0.1, 0.1, 0.3, 0.3]
    sample.save()
    (told,) = app(scenes, "refresh_index", {"model": "yolo11n.pt"}).told("error")
    assert "holds vectors of" in told
    assert "Give the one that made them" in told


# --- photos ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def photo(scenes, upload):
    """An image of the dataset as somebody uploads it."""
    return upload(Path(scenes.first().filepath).read_bytes())


def loader(text):
    """The loader in a form that the server answered: its name, and what it asks for."""
    import json

    (found,) = re.findall(r'"(found_\w+)": (?=\{)', text)
    field = json.loads(text)["type"]["properties"][found]
    assert field["view"]["operator"] == "@simfind/objects/find_in_photo"
    return found, field["view"]["params"]


def test_the_form_has_the_photo_looked_at_and_offers_its_objects(scenes, app, app_form, photo, settings, found_in):
    settings()
    candidates = simfind.detect_query(scenes.first().filepath, samples=scenes)
    before = scenes.count(), scenes.count("objects.detections")
    _, text = app_form(scenes, "search_by_photo", {"photo": photo})
    name, asked = loader(text)
    assert photo["content"][:100] not in text
    loaded = {name: {"state": "loaded", "data": app(scenes, "find_in_photo", asked).results}}
    _, text = app_form(scenes, "search_by_photo", {"photo": photo, **loaded})
    assert f"1: {candidates[0].label} {candidates[0].confidence:.2f}" in text
    assert "whole photo" in text
    answer = app(scenes, "search_by_photo", {"photo": photo, **loaded, "candidate": "1", "k": 4})
    assert found_in(scenes, answer) == simfind.search(scenes, candidates[1], k=4).ids
    scenes.reload()
    assert (scenes.count(), scenes.count("objects.detections")) == before


def test_the_form_says_what_is_wrong_with_a_photo(scenes, app, app_form, upload, settings):
    settings()
    photo = upload(b"<svg/>")
    name, asked = loader(app_form(scenes, "search_by_photo", {"photo": photo})[1])
    answer = app(scenes, "find_in_photo", asked)
    _, text = app_form(scenes, "search_by_photo", {"photo": photo, name: {"state": "loaded", "data": answer.results}})
    assert "SVG" in text
    assert app(scenes, "find_in_photo", {**asked, "upload": "0"}).results == {
        "error": "This photo is no longer kept. Give it again"
    }


def test_objects_of_another_photo_are_not_taken_for_those_of_this_one(scenes, app, photo, settings, found_in, upload):
    settings()
    other = upload(Path(scenes.last().filepath).read_bytes())
    kept = app(scenes, "search_by_photo", {"photo": other}).results["photo"]
    loaded = {"found_0123456789abcdef_simfind": {"state": "loaded", "data": {"photo": kept}}}
    answer = app(scenes, "search_by_photo", {"photo": photo, **loaded, "candidate": 0, "k": 4})
    candidates = simfind.detect_query(scenes.first().filepath, samples=scenes)
    assert found_in(scenes, answer) == simfind.search(scenes, candidates[0], k=4).ids


def test_the_index_that_was_chosen_last_is_searched_for_a_photo(scenes, app, app_form, photo, settings):
    settings()
    scenes.clone_sample_field("objects", "others")
    simfind.build_index(scenes, "others", brain_key="others")
    params = {"photo": photo}
    for brain_key in ("simfind", "others"):
        params["brain_key"] = brain_key
        name, asked = loader(app_form(scenes, "search_by_photo", {"photo": photo, "brain_key": brain_key})[1])
        params[name] = {"state": "loaded", "data": app(scenes, "find_in_photo", asked).results}
    answer = app(scenes, "search_by_photo", {**params, "candidate": "0", "k": 4})
    (shown,) = [given["view"] for operator, given in answer.requests if operator == "set_view"]
    (patches,) = [stage["kwargs"] for stage in shown if stage["_cls"].endswith("ToPatches")]
    assert dict(patches)["field"] == "others"


def test_without_a_choice_the_objects_are_told(scenes, app, photo, settings):
    settings()
    candidates = simfind.detect_query(scenes.first().filepath, samples=scenes)
    results = app(scenes, "search_by_photo", {"photo": photo}).results
    assert [found["label"] for found in results["candidates"][:-1]] == [c.label for c in candidates[:-1]]
    assert results["objects"].startswith(f"0: {candidates[0].label} ")


@pytest.mark.parametrize("number", [1, "1", "whole"])
def test_the_chosen_object_is_searched_for(scenes, app, photo, settings, found_in, number):
    settings()
    candidates = simfind.detect_query(scenes.first().filepath, samples=scenes)
    expected = simfind.search(scenes, candidates[-1 if number == "whole" else 1], k=5).ids
    kept = app(scenes, "search_by_photo", {"photo": photo}).results["photo"]
    for given in (kept, photo):
        answer = app(scenes, "search_by_photo", {"photo": given, "candidate": number, "k": 5})
        assert found_in(scenes, answer) == expected


def test_an_object_that_the_photo_does_not_have_is_named(scenes, app, photo, settings):
    settings()
    (told,) = app(scenes, "search_by_photo", {"photo": photo, "candidate": 10**6}).told("error")
    assert "the photo has no object" in told


def test_a_script_searches_by_a_file(scenes):
    import fiftyone.operators as foo

    path = scenes.first().filepath
    view = foo.get_operator("@simfind/objects/search_by_photo")(scenes, path, candidate=1, k=3)
    candidates = simfind.detect_query(path, samples=scenes)
    assert view.values("id") == simfind.search(scenes, candidates[1], k=3).ids


# --- the others ------------------------------------------------------------------------------------------------------


def test_an_index_is_deleted_with_its_report_and_nothing_else(indexed, app):
    app(indexed, "evaluate_retrieval", {"k": "1, 2"})
    vectors = indexed.count("objects.detections.embedding")
    answer = app(indexed, "delete_index", {"brain_key": "simfind", "confirm": True})
    assert answer.told("success") == ["The index “simfind” is deleted"]
    indexed.reload()
    assert indexed.list_brain_runs() == []
    assert indexed.count("objects.detections.embedding") == vectors


def test_neighbors_tell_how_many_pairs_and_near_duplicates_there_are(indexed, app):
    answer = app(indexed, "compute_neighbors", {"k": 3})
    table = simfind.load_neighbors(indexed)
    assert answer.results["objects"] == len(table) == 8
    assert answer.results["pairs"] == 24
    assert answer.results["near_duplicates"] == len(table.near_duplicates(0.98))


def test_an_evaluation_is_shown_as_a_table_and_kept_for_the_panel(indexed, app, form_of):
    from operators import _reports

    answer = app(indexed, "evaluate_retrieval", {"k": "1, 3", "map_k": 5})
    report = simfind.evaluate(indexed, k=(1, 3), map_k=5)
    first, third, fifth = answer.results["means"]
    assert (first["k"], first["P"]) == ("1", f"{report.means['P@1']:.3f}")
    assert third["recall"] == f"{report.means['recall@3']:.3f}"
    assert fifth["P"] == ""
    assert fifth["mAP"] == f"{report.means['mAP@5']:.3f}"
    kept = simfind.RetrievalReport.from_dict(_reports.kept(_Context(indexed), "simfind"))
    assert kept.means == pytest.approx(report.means)


class _Context:
    def __init__(self, dataset):
        self.dataset = dataset

    def store(self, name):
        from fiftyone.operators.store import ExecutionStore

        return ExecutionStore.create(name, self.dataset._doc.id)


@pytest.mark.parametrize("name", ["evaluate_retrieval", "compute_neighbors", "detect_objects", "search_by_photo"])
def test_results_are_described_for_the_app(indexed, post, name):
    body = {"operator_uri": f"@simfind/objects/{name}", "dataset_name": indexed.name, "params": {}, "target": "outputs"}
    status, text = post("/operators/resolve-type", {**body, "results": {"summary": "done", "means": []}})
    assert status == 200
    assert '"summary"' in text
    _, text = post("/operators/resolve-type", {**body, "results": {"error": "<b>no</b>"}})
    assert "Nothing was done" in text


def test_overwriting_asks_and_then_replaces(indexed, app, form_of):
    params = {"patches_field": "objects", "overwrite": True}
    assert "confirm" in form_of(indexed, "build_index", **params)
    before = indexed.get_brain_info("simfind").timestamp
    assert app(indexed, "build_index", params).told("error")
    assert app(indexed, "build_index", {**params, "confirm": True}).told("success")
    indexed.reload()
    assert indexed.get_brain_info("simfind").timestamp > before


def test_nothing_is_asked_where_overwriting_loses_nothing(indexed, form_of):
    params = {"patches_field": "objects", "brain_key": "another", "overwrite": True}
    assert "confirm" not in form_of(indexed, "build_index", **params)


def test_the_refresh_form_says_what_there_is_to_do(scenes, form_of):
    assert "up to date" in form_of(scenes, "refresh_index")["status"].view.label
    sample = scenes.first()
    sample.objects.detections[0].bounding_box = [0.1, 0.1, 0.3, 0.3]
    sample.save()
    assert "1 edited" in form_of(scenes, "refresh_index")["status"].view.label


def test_classes_propose_the_labels_of_the_indexed_field(indexed, form_of):
    proposed = form_of(indexed, "sort_by_similarity", brain_key="simfind")["classes"].view.choices
    assert {choice.value for choice in proposed} == {"mug", "vase"}


def test_objects_are_embedded_at_an_image_size(scenes, app):
    given = {"patches_field": "ground_truth", "model": "showroom.pt", "embeddings_field": "small", "image_size": 320}
    answer = app(scenes, "embed_objects", given)
    assert answer.told("error") == []
    assert all(vector is not None for vector in scenes.values("ground_truth.detections.small", unwind=True))


def test_every_operator_that_writes_can_be_called_from_a_script(scenes):
    import fiftyone.operators as foo

    def call(name, *args, **options):
        return foo.get_operator(f"@simfind/objects/{name}")(scenes, *args, **options)

    call("refresh_index")
    call("compute_neighbors", k=2)
    means = call("evaluate_retrieval", k=[1, 3]).result["means"]
    assert [row["k"] for row in means] == ["1", "3", "100"]
    assert [row["k"] for row in call("evaluate_retrieval", k=5).result["means"]] == ["5", "100"]
    call("sort_by_similarity", ids(scenes)[0], k=2, score_field="likeness")
    call("clear_scores", "objects", "likeness")
    call("build_index", "objects", overwrite=True)
    call("delete_index", brain_key="simfind")
    scenes.reload()
    assert scenes.list_brain_runs() == []
    assert not scenes.has_field("objects.detections.likeness")


def test_only_sentences_of_the_sdk_are_put_into_words_of_the_app():
    from operators._errors import in_words

    error = simfind.QueryError('run simfind.embed(samples, "a", b=f(1)), then simfind.refresh(samples)')
    assert in_words(error) == "run “Simfind: embed objects”, then “Simfind: refresh index”"
    assert in_words(simfind.FieldError("replace it with overwrite=True")) == "replace it with “Overwrite”"
    assert in_words(KeyError("x")) == "KeyError: 'x' (more is in the server's log)"
    assert len(in_words(simfind.OptionError("x" * 10_000))) <= 600
