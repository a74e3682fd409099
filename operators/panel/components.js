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

  const known = new Map(); // pictures by object and box, for as long as the page is open

  /** The pictures of objects: those at hand, and the others as soon as the server has cut them out. */
  function usePictures(operator, brain_key, items) {
    const { execute, result } = useOperatorExecutor(operator);
    const key = (item) => `${brain_key} ${item.id} ${item.box}`;
    const asked = useRef([]);
    const missing = items.filter((item) => !item.image && !known.has(key(item)));
    const wanted = missing.map(key).join();
    useEffect(() => {
      if (!missing.length) return;
      asked.current = missing;
      execute({ brain_key, ids: missing.map((item) => item.id) });
    }, [wanted]);
    const pictures = result?.pictures || {};
    asked.current.forEach((item) => pictures[item.id] && known.set(key(item), pictures[item.id]));
    return (item) => item.image || known.get(key(item));
  }

  /** Objects as pictures, in order, each with its label and score. */
  function Strip({ schema }) {
    const { items = [], pictures, brain_key, on_open, on_again, on_more, on_less, on_export } = schema.view;
    const trigger = useTriggerPanelEvent();
    const picture = usePictures(pictures, brain_key, items);
    const doing = (event, item) => event && (() => trigger(event, { id: item.id, sample_id: item.sample_id }));
    const save = (write) => trigger(on_export, {}, false, (done) => done?.result?.rows && write(done.result.rows));
    return h(Box, { "data-cy": "simfind-strip" },
      h(Stack, { direction: "row", flexWrap: "wrap", gap: 1, role: "list" }, items.map((item) =>
        h(Crop, {
          key: item.id, item, image: picture(item), open: doing(on_open, item),
          actions: [["⌕", "Search for this one", on_again], ["+", "More like this", on_more], ["−", "Not like this", on_less]]
            .filter(([, , event]) => event)
            .map(([glyph, title, event]) => ({ glyph, title, act: doing(event, item) })),
        }))),
      on_export && h(Stack, { direction: "row", gap: 1, mt: 1 },
        h(Button, { size: "small", variant: "outlined", onClick: () => save(saveJson) }, "Export JSON"),
        h(Button, { size: "small", variant: "outlined", onClick: () => save(saveCsv) }, "Export CSV")));
  }

  const SIDE = 96;

  function Crop({ item, image, open, actions }) {
    const score = item.score === undefined ? "" : item.score.toFixed(3);
    const frame = { display: "flex", alignItems: "center", justifyContent: "center", width: SIDE, height: SIDE };
    return h(Box, {
      role: "listitem", "data-cy": "simfind-crop", "data-id": item.id,
      sx: { width: SIDE + 10, p: "4px", borderRadius: 1, border: "1px solid", borderColor: item.unwanted ? "error.main" : "divider" },
    },
      h(Box, {
        component: open ? "button" : "div", onClick: open, "aria-label": [item.label || "object", score].join(" ").trim(),
        sx: { ...frame, border: 0, padding: 0, background: "none", cursor: open ? "pointer" : "default" },
      }, image && h("img", { src: image, alt: "", style: { maxWidth: SIDE, maxHeight: SIDE, borderRadius: 3 } })),
      text("caption", "text.primary", item.unwanted ? "not like this" : item.label || "\u00a0"),
      score && h(Stack, { direction: "row", alignItems: "center", justifyContent: "space-between" },
        text("caption", "text.secondary", score),
        h(Box, { sx: { whiteSpace: "nowrap" } }, actions.map(({ glyph, title, act }) =>
          h(Tooltip, { key: title, title },
            h(IconButton, { size: "small", onClick: act, "aria-label": title, sx: { p: 0, width: 18, height: 18, fontSize: 14 } }, glyph))))));
  }

  const saveJson = (rows) => download("matches.json", "application/json", JSON.stringify(rows, null, 2));

  function saveCsv(rows) {
    if (!rows.length) return;
    const columns = Object.keys(rows[0]);
    const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
    download("matches.csv", "text/csv", lines.map((line) => line.map(cell).join(",")).join("\r\n"));
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
