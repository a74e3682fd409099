/* Parts of the panel that FiftyOne's own components do not cover. Plain JavaScript: the App provides React and MUI. */
(() => {
  const { createElement: h, useEffect, useRef, useState } = React;
  const { Box, Button, IconButton, LinearProgress, Stack, Tooltip, Typography } = window.__mui__;
  const { useOperatorExecutor, useTriggerPanelEvent } = window.__foo__;

  const text = (variant, color, ...children) => h(Typography, { variant, color, noWrap: true, component: "div" }, ...children);

  /** Save text as a file of the browser's own. */
  function download(name, type, content) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  /** A CSV cell; a quote in front of what a spreadsheet would take for a formula. */
  function cell(value) {
    const plain = Array.isArray(value) ? value.join(" ") : String(value ?? "");
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\n\r]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
  }

  /** Objects as pictures, in order, each with its label and score. */
  function Strip({ schema }) {
    const { items = [], rows = [], exportable, on_open, on_again } = schema.view;
    const trigger = useTriggerPanelEvent();
    const toCsv = () => {
      const columns = Object.keys(rows[0]);
      return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((line) => line.map(cell).join(",")).join("\r\n");
    };
    return h(Box, { "data-cy": "simfind-strip" },
      h(Stack, { direction: "row", flexWrap: "wrap", gap: 1, role: "list" },
        items.map((item, rank) => h(Crop, {
          key: item.id, item, rank,
          open: on_open && (() => trigger(on_open, { id: item.id, sample_id: item.sample_id })),
          again: on_again && (() => trigger(on_again, { id: item.id })),
        }))),
      exportable && rows.length > 0 && h(Stack, { direction: "row", gap: 1, mt: 1 },
        h(Button, { size: "small", variant: "outlined", onClick: () => download("matches.json", "application/json", JSON.stringify(rows, null, 2)) }, "Export JSON"),
        h(Button, { size: "small", variant: "outlined", onClick: () => download("matches.csv", "text/csv", toCsv()) }, "Export CSV")));
  }

  function Crop({ item, rank, open, again }) {
    const side = item.size || 96;
    return h(Box, {
      role: "listitem", "data-cy": "simfind-crop", "data-id": item.id, title: item.title,
      sx: { width: side + 8, p: "4px", borderRadius: 1, border: "1px solid", borderColor: item.chosen ? "primary.main" : "divider" },
    },
      h(Box, {
        component: open ? "button" : "div", onClick: open, "aria-label": `${item.label || "object"} ${item.score_text || ""}`,
        sx: { all: "unset", display: "flex", alignItems: "center", justifyContent: "center", width: side, height: side, cursor: open ? "pointer" : "default", "&:focus-visible": { outline: "2px solid" } },
      }, h("img", { src: item.image, alt: item.label || "object", style: { maxWidth: side, maxHeight: side, borderRadius: 2 } })),
      h(Stack, { direction: "row", alignItems: "center", justifyContent: "space-between" },
        h(Box, { sx: { minWidth: 0 } },
          text("caption", "text.primary", item.label || "–"),
          item.score_text && text("caption", "text.secondary", item.score_text)),
        again && h(Tooltip, { title: "Search for this one" },
          h(IconButton, { size: "small", onClick: again, "aria-label": "Search for this one", "data-cy": "simfind-again" },
            h("span", { className: "material-icons", style: { fontSize: 16 } }, "⌕")))));
  }

  /** Running operators of this dataset; asks for their state by itself, so that no other event of the panel is lost. */
  function Jobs({ schema }) {
    const { status_operator, cancel_operator, on_done, seconds = 1 } = schema.view;
    const status = useOperatorExecutor(status_operator);
    const cancel = useOperatorExecutor(cancel_operator);
    const trigger = useTriggerPanelEvent();
    const running = useRef("");
    useEffect(() => {
      status.execute({});
      const timer = setInterval(() => status.execute({}), 1000 * seconds);
      return () => clearInterval(timer);
    }, [seconds]);
    const jobs = status.result?.jobs || [];
    const now = jobs.filter((job) => job.state === "running");
    const names = now.map((job) => job.operator).join(" ");
    useEffect(() => {
      if (running.current && running.current !== names && on_done) trigger(on_done, {});
      running.current = names;
    }, [names]);
    return h(Stack, { gap: 1, "data-cy": "simfind-jobs" }, now.map((job) => h(Stack, { key: job.operator, direction: "row", gap: 1, alignItems: "center" },
      h(Box, { sx: { flex: 1 } },
        text("body2", "text.primary", job.label, job.total ? `: ${job.done} of ${job.total} ${job.unit}` : ""),
        h(LinearProgress, job.total ? { variant: "determinate", value: (100 * job.done) / job.total } : {})),
      h(Button, { size: "small", onClick: () => cancel.execute({ operator: job.operator }) }, "Cancel"))));
  }

  const { PluginComponentType, registerComponent } = window.__fop__;
  const register = (name, component) =>
    registerComponent({ name, label: name, component, type: PluginComponentType.Component, activator: () => true });
  register("SimfindStrip", Strip);
  register("SimfindJobs", Jobs);
})();
