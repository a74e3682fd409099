"""The panel's tab "Set up" without a browser."""

import pytest
from fiftyone.operators.delegated import DelegatedOperationService


@pytest.fixture
def queue():
    """FiftyOne's queue of delegated operations, empty."""
    service = DelegatedOperationService()
    for operation in service.list_operations():
        service.delete_operation(operation.id)
    return service


def test_a_scheduled_step_is_put_on_the_queue(scenes, panel_of, queue):
    panel = panel_of(scenes, "setup")
    panel.do("on_setup_look")
    panel.state.setdefault("run", {})["when"] = "scheduled"
    panel.do("on_setup_step", step="visualize")
    assert panel.answer.told("error") == []
    (operation,) = queue.list_operations()
    assert operation.operator.endswith("visualize_objects")


def test_a_scheduled_step_may_load_no_more_than_a_form(scenes, panel_of, queue, tmp_path):
    weights = tmp_path / "mine.pt"
    weights.write_bytes(b"anything")
    panel = panel_of(scenes, "setup")
    panel.state["run"] = {"field": "objects", "when": "scheduled", "model": str(weights)}
    panel.do("on_setup_step", step="embed")
    queue.execute_queued_operations(limit=1)
    (operation,) = queue.list_operations()
    assert operation.run_state == "failed"
    assert "no model that is known by name" in operation.result.error
