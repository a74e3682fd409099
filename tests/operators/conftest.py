"""Operators asked as a script asks them, and as the App does: through the server's own routes."""

import asyncio
import base64
import json
import time
from io import BytesIO

import pytest

import fiftyone_simfind as simfind

URI = "@simfind/objects"


@pytest.fixture
def indexed(toys):
    simfind.build_index(toys, "objects")
    return toys


@pytest.fixture
def scenes():
    """A few showroom scenes with found objects and an index of them; its weights can be loaded again by name."""
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(3)
    simfind.detect(dataset, model="showroom.pt", progress=False)
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Writes the plugin's settings as whoever runs the server does."""
    path = tmp_path / "app_config.json"
    monkeypatch.setenv("FIFTYONE_APP_CONFIG_PATH", str(path))

    def write(**given):
        path.write_text(json.dumps({"plugins": {URI: given}}))

    return write


@pytest.fixture
def form_of():
    """The fields of an operator's form, while it is being filled in."""

    def form_of(dataset, name, **params):
        import fiftyone.operators as foo

        request = {"dataset_name": dataset.name, "params": params, "operator_uri": f"{URI}/{name}", "prompt_id": "1"}
        ctx = foo.ExecutionContext(request, operator_uri=f"{URI}/{name}")
        return foo.get_operator(f"{URI}/{name}").resolve_input(ctx).type.properties

    return form_of


@pytest.fixture
def execute():
    """What an operator gives to a script."""

    def execute(dataset_or_view, name, **ctx):
        import fiftyone.operators as foo

        return foo.execute_operator(f"{URI}/{name}", {"view": dataset_or_view.view(), **ctx})

    return execute


@pytest.fixture
def note():
    """Notes a job in a dataset's store as an operator does."""

    def note(dataset, operator, **changes):
        from fiftyone.operators.store import ExecutionStore

        from operators import _jobs

        job = {
            "state": "running",
            "operator": operator,
            "label": "Detecting objects",
            "done": 3,
            "total": 10,
            "unit": "images",
            "started": time.time(),
            "updated": time.time(),
            "delegated": False,
            "stoppable": True,
            "message": "3 of 10 images.",
            "process": _jobs.this_process(),
        }
        store = ExecutionStore.create("simfind", dataset._doc.id)
        store.set(f"job:{operator}", {**job, **changes})
        return store

    return note


class Answer:
    """What the server answered to the App.

    Attributes:
        text: all of it
        results: what the operator returned, or handed over as results
        requests: what the App is asked to do, as ``(operator, params)``
    """

    def __init__(self, status, text):
        self.status, self.text = status, text
        lines = [json.loads(line) for line in self.text.splitlines() if line.strip()]
        self.error = next((line["error"] for line in lines if line.get("error")), None)
        self.results, self.requests = None, []
        for line in lines:
            if line.get("cls") == "InvocationRequest":
                self.requests.append((line["body"]["operator_uri"], line["body"]["params"]))
            elif line.get("cls") == "ExecutionResult":
                self.results = line["body"]
            elif "executor" in line:
                self.results = line["result"]
                asked = (line["executor"] or {}).get("requests", [])
                self.requests += [(request["operator_uri"], request["params"]) for request in asked]

    def asked(self):
        return [operator for operator, _ in self.requests]

    def told(self, variant=None):
        """The messages that the user sees."""
        shown = [params for operator, params in self.requests if operator == "notify"]
        return [params["message"] for params in shown if variant in (None, params["variant"])]


@pytest.fixture(scope="session")
def post():
    """The status and the text that the server's routes for operators answer, with no server running."""
    from fiftyone.operators.server import OperatorRoutes
    from starlette.applications import Starlette
    from starlette.routing import Route

    server = Starlette(routes=[Route(path, endpoint) for path, endpoint in OperatorRoutes])

    def post(path, body):
        asked = [{"type": "http.request", "body": _json(body).encode(), "more_body": False}]
        answered = []

        async def receive():
            return asked.pop() if asked else await asyncio.Event().wait()

        async def send(message):
            answered.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "root_path": ""}
        asyncio.run(server(scope, receive, send))
        return answered[0]["status"], b"".join(message.get("body", b"") for message in answered[1:]).decode()

    return post


@pytest.fixture
def app(post):
    """What the server answers when the App executes an operator."""

    def app(dataset, name, params=None, **request):
        import fiftyone.operators as foo

        view = request.pop("view", None)
        if view is not None:
            request["view"] = view._serialize()
        generates = foo.get_operator(f"{URI}/{name}").config.execute_as_generator
        dataset_name = dataset if isinstance(dataset, str) else dataset.name
        body = {"operator_uri": f"{URI}/{name}", "dataset_name": dataset_name, "params": params or {}, **request}
        path = "/operators/execute/generator" if generates else "/operators/execute"
        return Answer(*post(path, body))

    return app


@pytest.fixture
def app_form(post):
    """What the server answers when the App asks for a form that is being filled in; its status and its text."""

    def app_form(dataset, name, params=None, **request):
        dataset_name = dataset if isinstance(dataset, str) else dataset.name
        body = {"operator_uri": f"{URI}/{name}", "dataset_name": dataset_name, "params": params or {}, **request}
        return post("/operators/resolve-type", {**body, "target": "inputs", "prompt_id": "1"})

    return app_form


def _json(body):
    from bson import json_util

    return json_util.dumps(body)  # as JSON, and NaN as Python and some browsers' libraries write it


@pytest.fixture
def upload():
    """A file as the App sends an uploaded one."""

    def upload(content, name="photo.jpg"):
        if not isinstance(content, bytes):
            file = BytesIO()
            content.save(file, "PNG")
            content = file.getvalue()
        return {"name": name, "type": "image/png", "size": len(content), "content": base64.b64encode(content).decode()}

    return upload


class Panel:
    """The panel as a browser keeps it.

    Attributes:
        state: what the browser sends with every event
        shown: the panel's parts as they were drawn last, by name
        answer: what the server answered last
    """

    def __init__(self, app, dataset, tab, **request):
        self.app, self.dataset, self.request = app, dataset, request
        self.state, self.shown, self.answer = {"tab": tab}, {}, None
        self.do("on_tab")

    def do(self, method, **params):
        """Have the panel handle an event."""
        import pydash

        panel = {"__method__": method, "panel_id": "panel", "panel_state": json.loads(json.dumps(self.state))}
        self.answer = self.app(self.dataset, "object_search", {**params, **panel}, **self.request)
        assert self.answer.error is None
        for operator, given in self.answer.requests:
            if operator == "patch_panel_state":
                for path, value in given["state"].items():
                    pydash.set_(self.state, path, value)
            elif operator == "show_panel_output":
                self.shown = given["output"]["type"]["properties"]

    @property
    def found(self):
        """The ids of what was found last."""
        return [match["id"] for match in self.state["search"]["found"]]

    def view(self, name):
        """How a part is drawn, with what."""
        return self.shown[name]["view"]

    def words(self):
        """All that the panel says."""
        return json.dumps(self.shown, ensure_ascii=False)

    def asked(self, operator):
        """What the App is asked to do with an operator, or None."""
        return next((params for name, params in self.answer.requests if name == operator), None)


@pytest.fixture
def panel_of(app):
    """Opens the panel on a dataset with one of its tabs."""
    return lambda dataset, tab, **request: Panel(app, dataset, tab, **request)
