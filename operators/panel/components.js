/* Parts of the panel that FiftyOne's own components do not cover. Plain JavaScript: the App provides React and MUI. */
(() => {
  const { createElement: h, useEffect, useRef, useState } = React;
  const { Alert, Box, Button, IconButton, LinearProgress, Stack, Tab, Tabs, TextField, Tooltip, Typography } = window.__mui__;
  const { useOperatorExecutor, useTriggerPanelEvent } = window.__foo__;

  const text = (variant, color, ...children) => h(Typography, { variant, color, noWrap: true, component: "div" }, ...children);

  /** What clicks a button when the Enter key is pressed on it, which the App keeps for itself. */
  const entered = (act) => ({ onKeyDown: (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  } });

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
    const { items = [], pictures, brain_key, on_open, on_again, on_more, on_less, on_remove, on_export } = schema.view;
    const trigger = useTriggerPanelEvent();
    const picture = usePictures(pictures, brain_key, items);
    const doing = (event, item) => event && (() => trigger(event, { id: item.id, sample_id: item.sample_id }));
    const save = (write) => trigger(on_export, {}, false, (done) => done?.result?.rows && write(done.result.rows));
    return h(Box, { "data-cy": "simfind-strip", "data-results": Boolean(on_export) },
      h(Stack, { direction: "row", flexWrap: "wrap", gap: 1, role: "list" }, items.map((item) =>
        h(Crop, {
          key: item.id, item, image: picture(item), open: doing(on_open, item), remove: doing(on_remove, item),
          actions: [["⌕", "Search for this one", on_again], ["+", "More like this", on_more], ["−", "Not like this", on_less]]
            .filter(([, , event]) => event)
            .map(([glyph, title, event]) => ({ glyph, title, act: doing(event, item) })),
        }))),
      on_export && h(Stack, { direction: "row", gap: 1, mt: 1 },
        h(Button, { size: "small", variant: "outlined", onClick: () => save(saveJson) }, "Export JSON"),
        h(Button, { size: "small", variant: "outlined", onClick: () => save(saveCsv) }, "Export CSV")));
  }

  const SIDE = 96;

  function Crop({ item, image, open, remove, actions = [] }) {
    const name = item.label || "object";
    const score = item.score == null ? "" : item.score.toFixed(3);
    const frame = { display: "flex", alignItems: "center", justifyContent: "center", width: SIDE, height: SIDE };
    return h(Box, {
      role: "listitem", "data-cy": "simfind-crop", "data-id": item.id,
      sx: {
        position: "relative", width: SIDE + 10, p: "4px", borderRadius: 1, border: "1px solid", borderColor: item.unwanted ? "error.main" : "divider",
        scrollMargin: `48px 0 ${2 * SIDE}px`, // where it is scrolled to, the heading above and the next row show, too
      },
    },
      remove && h(Tooltip, { title: "Remove" }, h(IconButton, {
        size: "small", onClick: remove, ...entered(remove), "aria-label": `Remove ${name}`,
        sx: {
          position: "absolute", top: 2, right: 2, zIndex: 1, p: 0, width: 20, height: 20, fontSize: 15, color: "text.primary",
          bgcolor: "background.paper", border: "1px solid", borderColor: "divider", "&:hover, &:focus-visible": { color: "error.contrastText", bgcolor: "error.main" },
        },
      }, "×")),
      h(Box, {
        component: open ? "button" : "div", onClick: open, ...(open ? entered(open) : {}), "aria-label": [name, score].join(" ").trim(),
        sx: { ...frame, border: 0, padding: 0, background: "none", cursor: open ? "pointer" : "default" },
      }, image && h("img", { src: image, alt: "", style: { maxWidth: SIDE, maxHeight: SIDE, borderRadius: 3 } })),
      text("caption", "text.primary", item.unwanted ? "not like this" : item.label || "\u00a0"),
      score && h(Stack, { direction: "row", alignItems: "center", justifyContent: "space-between" },
        text("caption", "text.secondary", score),
        h(Box, { sx: { whiteSpace: "nowrap" } }, actions.map(({ glyph, title, act }) =>
          h(Tooltip, { key: title, title },
            h(IconButton, { size: "small", onClick: act, ...entered(act), "aria-label": title, sx: { p: 0, width: 18, height: 18, fontSize: 14 } }, glyph))))));
  }

  const saveJson = (rows) => download("matches.json", "application/json", JSON.stringify(rows, null, 2));

  function saveCsv(rows) {
    if (!rows.length) return;
    const columns = Object.keys(rows[0]);
    const lines = [columns, ...rows.map((row) => columns.map((column) => row[column]))];
    download("matches.csv", "text/csv", lines.map((line) => line.map(cell).join(",")).join("\r\n"));
  }

  const MARKS = { done: ["✓", "success.main"], stale: ["!", "warning.main"], missing: ["○", "text.secondary"] };

  /** What there is, one line each, with a button for what can be done about it; the next thing to do stands out. */
  function Steps({ schema }) {
    const { steps = [], on_step, on_form } = schema.view;
    const trigger = useTriggerPanelEvent();
    return h(Stack, { gap: 1, "data-cy": "simfind-steps" }, steps.map(({ name, title, detail, state, step, action, next }) =>
      h(Stack, { key: name, direction: "row", alignItems: "center", gap: 1.5, "data-cy": `simfind-step-${name}`, "data-state": state },
        h(Box, { sx: { width: 20, textAlign: "center", fontWeight: "bold", color: MARKS[state][1] } }, MARKS[state][0]),
        h(Box, { sx: { flex: 1, minWidth: 0 } },
          h(Typography, { variant: "body1", color: "text.primary" }, title),
          detail && h(Typography, { variant: "body2", color: "text.secondary", sx: { overflowWrap: "anywhere" } }, detail)),
        step && h(Button, { size: "small", variant: next ? "outlined" : "text", onClick: () => trigger(next ? on_step : on_form, { step }) }, next ? action : `${action} …`),
        step && next && h(Button, { size: "small", variant: "text", onClick: () => trigger(on_form, { step }) }, "Options …"))));
  }

  const STARTS = 15_000; // milliseconds within which an operator that was not refused says that it runs
  const capital = (words) => words[0].toUpperCase() + words.slice(1);

  /** Running operators of this dataset; asks for their state by itself, so that no other event of the panel is lost. */
  function Jobs({ schema }) {
    const { status_operator, cancel_operator, on_done, on_late, starting, loads, seconds = 1 } = schema.view;
    const status = useOperatorExecutor(status_operator);
    const cancel = useOperatorExecutor(cancel_operator);
    const trigger = useTriggerPanelEvent();
    const seen = useRef(null); // what had ended when it was last looked at; the quickest are never seen running
    useEffect(() => {
      status.execute({});
      const timer = setInterval(() => status.execute({}), 1000 * seconds);
      return () => clearInterval(timer);
    }, [seconds]);
    const jobs = status.result?.jobs || [];
    const now = jobs.filter((job) => job.state === "running");
    const last = jobs.find((job, rank) => rank === 0 && ["failed", "cancelled"].includes(job.state)); // until something else is run
    const ended = jobs.filter((job) => job.state !== "running").map((job) => `${job.operator} ${job.started}`);
    useEffect(() => {
      if (!status.result) return;
      if (seen.current && ended.some((job) => !seen.current.includes(job)) && on_done) trigger(on_done, {});
      seen.current = ended;
    }, [ended.join(), Boolean(status.result)]);
    const [given, setGiven] = useState(null); // the start that was waited for in vain: the operator was refused
    const begun = starting && jobs.some((job) => job.start === starting.start);
    const late = starting && starting.start === given && !begun;
    useEffect(() => {
      const timer = starting && setTimeout(() => setGiven(starting.start), STARTS);
      return () => clearTimeout(timer);
    }, [starting?.start]);
    useEffect(() => { late && on_late && trigger(on_late, {}); }, [late]);
    const first = (operator, otherwise) => (loads.includes(operator) ? "starting, loading the model …" : otherwise);
    const soon = starting && !late && !begun;
    return h(Stack, { gap: 1, "data-cy": "simfind-jobs" },
      soon && h(Box, { role: "status" }, text("body2", "text.primary", capital(first(starting.operator, "starting …"))), h(LinearProgress, {})),
      now.map((job) => h(Stack, { key: job.operator, direction: "row", gap: 1, alignItems: "center" },
        h(Box, { sx: { flex: 1 } },
          text("body2", "text.primary", job.label, job.total ? `: ${job.done} of ${job.total} ${job.unit}` : `: ${first(job.operator, "under way …")}`),
          h(LinearProgress, job.total ? { variant: "determinate", value: (100 * job.done) / job.total } : {})),
        h(Button, { size: "small", onClick: () => cancel.execute({ operator: job.operator }) }, "Cancel"))),
      last && !soon && h(Alert, { severity: last.state === "failed" ? "error" : "warning" }, `${last.label}: ${last.message}`));
  }

  const LONGEST = 2048; // pixels of a photo's longest side that are sent; networks look at fewer
  const TALL = 380; // pixels of its height on the page
  const KINDS = "image/jpeg,image/png,image/webp,image/bmp,image/gif,image/tiff";
  const given = new Map(); // photos by what the server calls them, for as long as the page is open
  const megabytes = (bytes) => `${Math.round(bytes / 2 ** 17) / 8} MB`;

  /** The file as a data URL; one with more pixels or bytes than needed becomes a smaller JPEG. */
  async function packed(file, most) {
    const image = await createImageBitmap(file).catch(() => null); // null: of a kind that the browser does not read
    const scale = image ? Math.min(1, LONGEST / Math.max(image.width, image.height)) : 1;
    if (scale === 1 && file.size <= most) return { content: await dataUrl(file) };
    if (!image) throw Error(`“${file.name}” has ${megabytes(file.size)}, and ${megabytes(most)} are allowed. Give a smaller photo`);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    return { content: canvas.toDataURL("image/jpeg", 0.92), before: [image.width, image.height] };
  }

  const dataUrl = (file) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(Error(`“${file.name}” cannot be read. Give a JPEG, PNG, WebP, BMP, GIF or TIFF`));
    reader.readAsDataURL(file);
  });

  /** What the server keeps of a photo: a picture, and the objects in it. */
  function usePhoto(operator, photo) {
    const { execute, result } = useOperatorExecutor(operator);
    useEffect(() => { photo && !known.has(photo) && execute({ photo }); }, [photo]);
    if (result?.photo) known.set(result.photo, result);
    return photo ? known.get(photo) : null;
  }

  /** Give a file to somebody whenever one is pasted anywhere while an element is shown. */
  function usePaste(shown, give) {
    const latest = useRef(give);
    latest.current = give;
    useEffect(() => {
      const paste = (event) => {
        const [file] = event.clipboardData?.files || [];
        if (!file || !shown.current?.offsetParent) return;
        event.preventDefault();
        latest.current(file);
      };
      document.addEventListener("paste", paste);
      return () => document.removeEventListener("paste", paste);
    }, []);
  }

  /** A photo from outside: a place to give one, and its objects to pick from. */
  function Photo({ schema }) {
    const { photo, again, chosen, problem, notes, max_bytes, no_urls, pictures, on_given, on_url, on_pick } = schema.view;
    const trigger = useTriggerPanelEvent();
    const [busy, setBusy] = useState("");
    const [wrong, setWrong] = useState("");
    const root = useRef(null);
    const look = usePhoto(pictures, photo);

    const ask = (event, params, words) => {
      setWrong("");
      setBusy(words);
      trigger(event, params, false, (done) => {
        setBusy("");
        const key = done?.result?.photo;
        if (key && params.content) given.set(key, params);
      });
    };
    const give = async (file) => {
      if (busy) return;
      setWrong("");
      setBusy("Reading the photo");
      const sent = await packed(file, max_bytes).catch((error) => { setWrong(error.message); setBusy(""); });
      if (sent) ask(on_given, sent, "Finding the objects in the photo. The first time, the model has to be loaded");
    };
    usePaste(root, give);
    useEffect(() => {
      if (!again) return;
      if (given.has(again)) ask(on_given, given.get(again), "Finding the objects in the photo with this index's model");
      else setWrong("Give the photo again: this index may come from another model");
    }, [again]);

    const trouble = busy ? "" : wrong || problem || (look?.gone && "This photo is no longer kept. Give it again");
    const seen = look && !look.gone;
    return h(Stack, { gap: 1, ref: root, "data-cy": "simfind-photo", "aria-busy": Boolean(busy) },
      h(DropPlace, { give, small: seen, busy }),
      no_urls ? h(Typography, { variant: "caption", color: "text.secondary" }, no_urls)
        : h(Address, { busy, fetch: (url) => ask(on_url, { url }, "Fetching the photo and finding its objects") }),
      h(Box, { role: "status" }, busy && h(Stack, { gap: 0.5 },
        h(Typography, { variant: "body2", color: "text.secondary" }, `${busy}…`), h(LinearProgress, {}))),
      trouble && h(Alert, { severity: "error" }, trouble),
      seen && (notes || []).map((note) => h(Alert, { key: note, severity: "info" }, note)),
      seen && (chosen ?? null) === null && look.objects.length > 1 && h(Typography, { variant: "body2", color: "text.secondary" },
        "Click the object to search for, in the photo or in the list"),
      seen && h(Candidates, { look, chosen, busy, pick: (candidate) => ask(on_pick, { photo, candidate }, "Searching") }));
  }

  /** Where a photo can be dropped, or chosen. */
  function DropPlace({ give, small, busy }) {
    const [over, setOver] = useState(false);
    const input = useRef(null);
    const drop = (event) => {
      event.preventDefault();
      setOver(false);
      const [file] = event.dataTransfer.files;
      if (file) give(file);
    };
    const take = (event) => {
      const [file] = event.target.files;
      event.target.value = ""; // so that the same file can be chosen again
      if (file) give(file);
    };
    return h(Stack, {
      "data-cy": "simfind-drop", direction: small ? "row" : "column", alignItems: "center", justifyContent: "center", gap: 1, flexWrap: "wrap",
      onDrop: drop, onDragOver: (event) => { event.preventDefault(); setOver(true); }, onDragLeave: () => setOver(false),
      sx: { p: small ? 1 : 4, border: "2px dashed", borderColor: over ? "primary.main" : "divider", borderRadius: 1, bgcolor: over ? "action.hover" : "transparent" },
    },
      h(Button, { variant: small ? "outlined" : "contained", size: small ? "small" : "medium", disabled: Boolean(busy), onClick: () => input.current.click(), ...entered(() => input.current.click()) },
        small ? "Another photo" : "Choose a photo"),
      h(Typography, { variant: "body2", color: "text.secondary" }, "or drop one here, or paste one with Ctrl+V"),
      h("input", { ref: input, type: "file", accept: KINDS, onChange: take, style: { display: "none" }, "aria-label": "Photo" }));
  }

  /** A line for a photo's address. */
  function Address({ fetch, busy }) {
    const [url, setUrl] = useState("");
    const go = (event) => { event.preventDefault(); if (url.trim()) fetch(url.trim()); };
    return h(Stack, { component: "form", direction: "row", gap: 1, mt: 0.5, alignItems: "center", onSubmit: go },
      h(TextField, { size: "small", fullWidth: true, label: "Address of a photo", placeholder: "https://", value: url, ...entered(go),
        onChange: (event) => setUrl(event.target.value), inputProps: { "data-cy": "simfind-url" } }),
      h(Button, { type: "submit", variant: "outlined", disabled: Boolean(busy) || !url.trim() }, "Fetch"));
  }

  /** The photo with numbered boxes, and beside it a list of what is in them. */
  function Candidates({ look, chosen, busy, pick }) {
    const [hot, setHot] = useState(null);
    const objects = look.objects.map((object, number) => ({
      ...object, number, whole: object.label === null && object.confidence === null, name: object.label || "object",
      on: number === chosen, hot: number === hot,
      events: { onClick: () => busy || pick(number), ...entered(() => busy || pick(number)), onMouseEnter: () => setHot(number), onMouseLeave: () => setHot(null), onFocus: () => setHot(number), onBlur: () => setHot(null) },
    }));
    const wide = (sx) => ({ "@container (min-width: 480px)": sx }); // in a narrow panel the list is below the photo
    const list = { flexDirection: "row", flexWrap: "wrap", maxHeight: TALL, overflowY: "auto", p: "2px", "& > *": { minWidth: 160 } };
    return h(Box, { sx: { containerType: "inline-size", opacity: busy ? 0.6 : 1 } }, h(Stack, { direction: "row", flexWrap: "wrap", gap: 2, alignItems: "flex-start" },
      h(Box, { sx: { maxWidth: "100%", ...wide({ maxWidth: "calc(100% - 216px)" }) } },
        h(Box, { sx: { position: "relative", display: "inline-block", lineHeight: 0, maxWidth: "100%" } },
          h("img", { src: look.image, alt: "The photo", style: { maxWidth: "100%", maxHeight: TALL, borderRadius: 4 } }),
          objects.filter(({ whole }) => !whole).map((object) => h(NumberedBox, { key: object.number, object })))),
      h(Box, { role: "group", "aria-label": "Objects in the photo", sx: { display: "flex", gap: 0.5, ...list, ...wide({ flexDirection: "column", flexWrap: "nowrap", width: 200 }) } },
        objects.map((object) => h(Line, { key: object.number, object })))));
  }

  const paint = ({ on, hot }) => (on ? "#ff6d04" : hot ? "#ffd54f" : "#ffffff");

  function NumberedBox({ object }) {
    const [x, y, width, height] = object.bounding_box.map((side) => 100 * side);
    return h(Box, {
      component: "button", "data-cy": "simfind-box", "aria-label": `${object.number + 1}: ${object.name}`, "aria-pressed": object.on, ...object.events,
      sx: {
        position: "absolute", left: `${x}%`, top: `${y}%`, width: `${width}%`, height: `${height}%`, p: 0, cursor: "pointer", background: "none",
        border: `${object.on ? 3 : 2}px solid ${paint(object)}`, borderRadius: "3px", outline: "1px solid rgba(0,0,0,.6)",
        zIndex: 10000 - Math.round(width * height), // the smaller of two is on top
      },
    }, h(Box, {
      component: "span",
      sx: {
        position: "absolute", left: "-2px", px: "5px", font: "bold 12px/17px sans-serif", color: "#000", bgcolor: paint(object), borderRadius: "3px",
        ...(y > 6 ? { bottom: "100%" } : { top: 0 }), // above the box where there is room, not to hide what is in it
      },
    }, object.number + 1));
  }

  function Line({ object }) {
    const sure = object.confidence === null ? "" : `${Math.round(100 * object.confidence)} %`;
    return h(Button, {
      size: "small", variant: object.on ? "contained" : "outlined", color: object.on || object.hot ? "primary" : "inherit", "aria-pressed": object.on, "data-cy": "simfind-candidate",
      title: sure && `The model is ${sure} sure`, ...object.events,
      sx: { justifyContent: "space-between", textTransform: "none", gap: 1, ...(object.on || object.hot ? {} : { borderColor: "divider" }) },
    },
      h(Box, { component: "span", sx: { overflow: "hidden", textOverflow: "ellipsis", whiteSpace: "nowrap" } }, object.whole ? "Whole photo" : `${object.number + 1}  ${object.name}`),
      h(Box, { component: "span", sx: { opacity: 0.7 } }, sure));
  }

  /**
   * Hands on what is clicked and drawn around in the plot of the same tab, by the points' customdata. The App's own events
   * of a plot would each carry all of its data to the server, and an empty one follows whenever it is drawn anew.
   */
  function PlotEvents({ schema }) {
    const { shown, on_point, on_lasso, on_clear } = schema.view;
    const trigger = useTriggerPanelEvent();
    const root = useRef(null);
    const tell = useRef(null);
    tell.current = (event, params) => event && trigger(event, { ...params, shown });
    useEffect(() => {
      let plot = null;
      let drawn = ""; // a lasso is told of again when the plot is drawn anew
      const numbers = (event) => [...new Set((event?.points || []).map((point) => point.customdata))].sort((a, b) => a - b);
      const hear = {
        plotly_click: (event) => tell.current(on_point, { number: numbers(event)[0] }),
        plotly_selected: (event) => {
          const found = numbers(event);
          if (!found.length || drawn === found.join()) return;
          drawn = found.join();
          tell.current(on_lasso, { numbers: found });
        },
        plotly_deselect: () => { drawn = ""; tell.current(on_clear, {}); },
      };
      const timer = setInterval(() => {
        const found = root.current?.closest("[data-cy^=panel-content]")?.querySelector(".js-plotly-plot");
        if (!found?.on || found === plot) return;
        plot = found;
        Object.entries(hear).forEach(([name, listen]) => plot.on(name, listen));
      }, 200);
      return () => {
        clearInterval(timer);
        Object.entries(hear).forEach(([name, listen]) => plot?.removeListener?.(name, listen));
      };
    }, []);
    return h("span", { ref: root });
  }

  /** Pairs of objects, what was searched for beside what was found. */
  function Pairs({ schema }) {
    const { pairs = [], pictures, brain_key, on_open, on_again } = schema.view;
    const trigger = useTriggerPanelEvent();
    const picture = usePictures(pictures, brain_key, pairs.flatMap(({ query, found }) => [query, found]));
    const crop = (item) => h(Crop, {
      item, image: picture(item), open: on_open && (() => trigger(on_open, { id: item.id })),
      actions: on_again && item.score != null ? [{ glyph: "⌕", title: "Search for this one", act: () => trigger(on_again, { id: item.id }) }] : [],
    });
    return h(Stack, { direction: "row", flexWrap: "wrap", gap: 1, role: "list", "data-cy": "simfind-pairs" }, pairs.map(({ query, found, rank }) =>
      h(Stack, {
        key: `${query.id} ${found.id}`, role: "listitem", "data-cy": "simfind-pair", direction: "row", alignItems: "center", gap: 0.5,
        sx: { p: 0.5, borderRadius: 1, bgcolor: "action.hover" },
      },
        crop(query),
        h(Stack, { alignItems: "center" }, text("body1", "text.secondary", "→"), text("caption", "text.secondary", `#${rank}`)),
        crop(found))));
  }

  /** Numbers, large, each with its name and what it says. */
  function Cards({ schema }) {
    const { cards = [], note } = schema.view;
    return h(Stack, { gap: 1, "data-cy": "simfind-cards" },
      h(Box, { sx: { display: "grid", gridTemplateColumns: "repeat(auto-fill, minmax(96px, 1fr))", gap: 1 } }, cards.map(({ name, value, about }) =>
        h(Box, { key: name, "data-cy": `simfind-card-${name}`, sx: { p: 1.25, borderRadius: 1, bgcolor: "action.hover" } },
          h(Typography, { variant: "body2", color: "text.secondary" }, name),
          h(Typography, { variant: "h5", color: "text.primary", component: "div", sx: { fontVariantNumeric: "tabular-nums" } }, value),
          h(Typography, { variant: "caption", color: "text.secondary", component: "div", sx: { lineHeight: 1.3 } }, about)))),
      note && h(Typography, { variant: "body2", color: "text.secondary" }, note));
  }

  /** Scroll the panel that an element is in no farther than for its first matches to be seen. */
  function bringIntoView(element) {
    const first = element?.closest("[data-cy^=panel-content]")?.querySelector("[data-results=true] [data-cy=simfind-crop]");
    first?.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  /** The panel's tabs; unlike FiftyOne's own, they follow when the panel itself opens another one, and show what was found. */
  function TabBar({ schema }) {
    const { tabs, chosen, on_tab, run } = schema.view;
    const trigger = useTriggerPanelEvent();
    const root = useRef(null);
    const before = useRef(run);
    useEffect(() => {
      if (run && run !== before.current) requestAnimationFrame(() => bringIntoView(root.current));
      before.current = run;
    }, [run]);
    const [shown, setShown] = useState(chosen); // at once, before the server has drawn it
    useEffect(() => setShown(chosen), [chosen]);
    const choose = (_, tab) => { setShown(tab); trigger(on_tab, { tab }); };
    return h(Tabs, { ref: root, value: shown, onChange: choose, variant: "scrollable", sx: { borderBottom: 1, borderColor: "divider" } },
      Object.entries(tabs).map(([value, label]) => h(Tab, { key: value, value, label, sx: { minHeight: 48, textTransform: "none" } })));
  }

  const { PluginComponentType, registerComponent } = window.__fop__;
  const register = (name, component) =>
    registerComponent({ name, label: name, component, type: PluginComponentType.Component, activator: () => true });
  register("SimfindSteps", Steps);
  register("SimfindTabBar", TabBar);
  register("SimfindStrip", Strip);
  register("SimfindJobs", Jobs);
  register("SimfindPlotEvents", PlotEvents);
  register("SimfindPairs", Pairs);
  register("SimfindCards", Cards);
  register("SimfindPhoto", Photo);
})();
