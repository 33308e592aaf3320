// Puts the page together and listens.

const $ = (id) => document.getElementById(id);
const graph = readGraph(JSON.parse($("data").textContent));
// The shortest ways over all steps; the picture starts with those of the paths.
const tree = treeOf(graph);
const picture = new Picture($("canvas"), graph);
const state = { what: null, kinds: new Set(), words: "", paths: [], shown: 0, all: false, columns: null };

$("title").textContent = graph.title;
document.title = `${graph.title} · Bailiwick`;

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  picture.colours();
}

/** Draws the paths, or everything on any way; in columns while there are few. */
function setLayout() {
  const drawn = state.all ? tree : treeOf(graph, graph.onPaths);
  const leaves = drawn.order.filter((node) => !drawn.children[node].length).length;
  const inColumns = state.columns ?? leaves <= 70;
  const { clientWidth, clientHeight } = $("canvas");
  const layout = inColumns ? columns(graph, drawn, clientWidth, clientHeight) : clusters(graph, drawn);
  picture.show(drawn, layout, state.all ? null : graph.onPaths);
  state.inColumns = inColumns;
  $("layout").textContent = inColumns ? "Clusters" : "Columns";
  $("all").textContent = state.all ? "Only the paths" : "All ways";
  const hidden = graph.nodes.length - drawn.order.length;
  $("all").hidden = !state.all && hidden === 0 && graph.steps.length === graph.onPaths.size;
  buildLegend();
  tell();
}

/** The paths that use what the filter asks for and hold the words of the search. */
function wanted() {
  const texts = state.words.toLowerCase();
  const holds = (text) => text.toLowerCase().includes(texts);
  const named = texts ? new Set(graph.nodes.flatMap(([, label], node) => (holds(label) ? [node] : []))) : null;
  const edges = new Set(texts ? graph.edges.flatMap(([id, title], edge) => (holds(id) || holds(title) ? [edge] : [])) : []);
  const paths = graph.paths.flatMap((path, position) => {
    const kinds = path[3].map((step) => graph.steps[step][2]);
    const passes = !state.kinds.size || kinds.some((kind) => state.kinds.has(kind));
    const hit = !named || kinds.some((kind) => edges.has(kind)) || graph.nodesOf(position).some((node) => named.has(node));
    return passes && hit ? [position] : [];
  });
  return { paths, named };
}

function refresh() {
  const { paths, named } = wanted();
  state.paths = paths;
  state.shown = 0;
  state.named = named;
  $("list").replaceChildren();
  showMore();
  $("filtered").textContent = state.kinds.size ? `(${state.kinds.size})` : "";
  const used = state.kinds.size ? paths.flatMap((path) => graph.nodesOf(path)) : [];
  picture.foundSteps = state.kinds.size ? new Set(paths.flatMap((path) => graph.paths[path][3])) : null;
  picture.found = named || state.kinds.size ? new Set([...(named ?? []), ...used]) : null;
  picture.draw();
  tell();
}

/** Counts what is there, what is shown, and what is not in this file. */
function tell() {
  const { paths, named } = state;
  const all = paths.length === graph.paths.length;
  const count = all ? plural(paths.length, "path", "paths") : `${number(paths.length)} of ${plural(graph.paths.length, "path", "paths")}`;
  const found = named ? `, ${plural(named.size, "name", "names")} found` : "";
  const left = graph.leftOut ? `, ${number(graph.leftOut)} more nodes and paths are not in this file` : "";
  const partial = graph.partial ? ", from partial input" : "";
  const drawn = picture.nodes.length === graph.nodes.length ? "" : `${number(picture.nodes.length)} of `;
  $("counts").textContent = `${count}, ${drawn}${plural(graph.nodes.length, "node", "nodes")}${found}${left}${partial}`;
}

function showMore() {
  const page = state.paths.slice(state.shown, state.shown + PAGE);
  const other = (path) => graph.label(graph.outward ? graph.end(path) : graph.paths[path][0]);
  // Where all paths start and end the same, they differ by what they pass.
  const alike = graph.paths.length > 1 && graph.paths.every(([from], path) => from === graph.paths[0][0] && graph.end(path) === graph.end(0));
  const name = (path) => (alike ? graph.passes(path).join(" → ") : other(path));
  $("list").append(...page.map((path) => {
    const [, effort, position] = graph.paths[path];
    const severity = graph.severities[position];
    return make("li", {}, make("button", { type: "button", "data-path": path, onclick: () => go.path(path) },
      make("span", { class: `effort ${severity}`, title: `${severity}, effort ${effort}` }, String(effort)),
      make("span", { class: "name" }, name(path)),
      make("span", { class: "via" }, graph.via(path).join(" → ").replaceAll("-", "\u2011"))));
  }));
  state.shown += page.length;
  $("more").hidden = state.shown >= state.paths.length;
  $("more").textContent = `${number(state.paths.length - state.shown)} more`;
  mark();
}

function mark() {
  for (const button of $("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(Number(button.dataset.path) === state.what?.path));
  }
}

/** Selects something: the details say what it is, and the picture shows it. */
function select(what, look) {
  state.what = what;
  const steps = what === null ? [] : what.path !== undefined ? graph.paths[what.path][3]
    : what.step !== undefined ? [what.step] : [...graph.in[what.node], ...graph.out[what.node]];
  const nodes = steps.flatMap((step) => graph.steps[step].slice(0, 2));
  if (what?.node !== undefined) nodes.push(what.node);
  const hidden = what?.step !== undefined ? !picture.isPlaced(what.step) : what?.node !== undefined && !picture.placed[what.node];
  if (hidden) $("all").click();
  picture.lit = what && { nodes: new Set(nodes), steps: new Set(steps) };
  picture.chosen = what?.node ?? -1;
  const panel = $("details");
  const opened = panel.hidden && what;
  panel.hidden = !what;
  panel.replaceChildren(...(what ? details(graph, tree, what, go) : []));
  panel.scrollTop = 0;
  mark();
  // The picture has another width once the panel is open.
  if (opened || !what) picture.resize();
  if (look && what.node !== undefined) picture.fit([what.node, ...[...picture.lit.nodes].slice(0, 12)]);
  else if (look) picture.fit(picture.lit.nodes);
  else picture.draw();
}

const go = {
  path: (path) => select({ path }, true),
  node: (node) => select({ node }, true),
  step: (step) => select({ step }, true),
  close: () => select(null),
  mark: (step) => {
    picture.lit = { ...picture.lit, steps: new Set([...(picture.lit?.steps ?? []), step]) };
    picture.draw();
  },
};

function buildFilter() {
  const counts = new Map();
  for (const path of graph.paths) {
    for (const kind of new Set(path[3].map((step) => graph.steps[step][2]))) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const kinds = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  $("kinds").replaceChildren(...kinds.map((kind) => {
    const [id, title] = graph.edges[kind];
    const toggle = (event) => {
      if (!state.kinds.delete(kind)) state.kinds.add(kind);
      event.currentTarget.setAttribute("aria-pressed", String(state.kinds.has(kind)));
      refresh();
    };
    return make("button", { type: "button", title, "data-kind": id, "aria-pressed": "false", onclick: toggle },
      `${id} `, make("small", {}, number(counts.get(kind))));
  }));
}

function clearFilter() {
  state.kinds.clear();
  for (const button of $("kinds").querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  refresh();
}

function buildLegend() {
  const there = new Set(picture.nodes.map((node) => graph.nodes[node][0]));
  $("legend").replaceChildren(...[...there].map((kind) => {
    const dot = make("i");
    dot.style.background = `var(--${graph.kinds[kind]})`;
    return make("li", {}, dot, words(graph.kinds[kind]));
  }));
}

/** The path before the selected one in the list, or the next. */
function walk(by) {
  const at = state.paths.indexOf(state.what?.path ?? -1);
  const next = at < 0 ? (by > 0 ? 0 : -1) : at + by;
  if (next < 0 || next >= state.paths.length) return;
  while (next >= state.shown) showMore();
  go.path(state.paths[next]);
  $("list").querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
}

function back() {
  if (state.what) return select(null);
  if (state.words) {
    $("search").value = state.words = "";
    return refresh();
  }
  if (state.kinds.size) clearFilter();
}

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    if (event.key === "Escape") return back();
    if (event.target === $("search")) return;
    const shift = 60 / picture.view.scale;
    const onCanvas = document.activeElement === $("canvas");
    const moves = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const keys = {
      "/": () => $("search").focus(), f: () => picture.fit(), l: () => $("layout").click(), a: () => $("all").click(), t: () => $("theme").click(),
      "+": () => picture.zoom(1.3), "=": () => picture.zoom(1.3), "-": () => picture.zoom(1 / 1.3),
      "?": () => $("keys").showModal(), ArrowUp: () => walk(-1), ArrowDown: () => walk(1),
    };
    const move = onCanvas && moves[event.key];
    const action = move ? () => picture.pan(move[0] * shift, move[1] * shift) : keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function listenToCanvas() {
  const canvas = $("canvas");
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, y: event.offsetY, far: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = [event.offsetX, event.offsetY];
    if (!drag) return hover(x, y);
    drag.far ||= Math.hypot(x - drag.x, y - drag.y) > 4;
    if (!drag.far) return;
    const { scale } = picture.view;
    picture.pan((drag.x - x) / scale, (drag.y - y) / scale);
    [drag.x, drag.y] = [x, y];
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.far) click(event.offsetX, event.offsetY);
    drag = null;
  });
  canvas.addEventListener("pointerleave", () => hover(-1, -1));
  canvas.addEventListener("dblclick", (event) => picture.zoom(2, { x: event.offsetX, y: event.offsetY }));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    picture.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), { x: event.offsetX, y: event.offsetY });
  }, { passive: false });
}

function hover(x, y) {
  const node = x < 0 ? -1 : picture.nodeAt(x, y);
  const tip = $("tip");
  if (node !== picture.hovered) {
    picture.hovered = node;
    picture.draw();
  }
  $("canvas").style.cursor = node >= 0 ? "pointer" : "";
  tip.hidden = node < 0;
  if (node < 0) return;
  tip.replaceChildren(graph.label(node), make("small", {}, words(graph.kind(node))));
  tip.style.left = `${Math.min(x + 14, picture.width - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(y + 14, picture.height - tip.offsetHeight - 8)}px`;
}

function click(x, y) {
  const node = picture.nodeAt(x, y);
  if (node >= 0) return select({ node });
  const step = picture.stepAt(x, y);
  if (step >= 0) select({ step });
  else if (state.what) select(null);
}

function listen() {
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const [first] = state.paths;
    const [name] = state.named ?? [];
    if (first !== undefined) go.path(first);
    else if (name !== undefined) go.node(name);
  });
  let typing;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      state.words = $("search").value.trim();
      refresh();
    }, graph.nodes.length > 2000 ? 150 : 0);
  });
  $("more").addEventListener("click", showMore);
  $("fit").addEventListener("click", () => picture.fit());
  $("layout").addEventListener("click", () => {
    state.columns = !state.inColumns;
    setLayout();
  });
  $("all").addEventListener("click", () => {
    state.all = !state.all;
    state.columns = null;
    setLayout();
  });
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  $("help").addEventListener("click", () => $("keys").showModal());
  let theme;
  window.addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    setTheme("light");
    picture.paint();
    $("print").replaceChildren(...paper(graph, state.paths, $("canvas").toDataURL()));
  });
  window.addEventListener("afterprint", () => {
    $("print").replaceChildren();
    setTheme(theme);
  });
  listenToKeys();
  listenToCanvas();
}

setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
buildFilter();
setLayout();
listen();
refresh();
if (graph.paths.length === 0) $("list").append(make("li", { class: "faint" }, "Nothing here leads there."));
