// Lists and details. Text goes in as text: nothing that a name holds is ever read as markup.

const PAGE = 200;

/** An element with attributes, handlers (`on...`) and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "colour") element.style.setProperty("--kind", `var(--${value})`);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** The first items of a list, and a button for the next. */
function paged(items, element) {
  const list = make("ul", { class: "ways" });
  const more = make("button", { type: "button", onclick: () => show() });
  let shown = 0;
  function show() {
    list.append(...items.slice(shown, shown + PAGE).map((item) => make("li", {}, element(item))));
    shown = Math.min(items.length, shown + PAGE);
    more.hidden = shown === items.length;
    more.textContent = `${number(items.length - shown)} more`;
  }
  show();
  return make("div", {}, list, more);
}

function number(value) {
  return value.toLocaleString("en");
}

function plural(count, one, many) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** What a step rests on, and what the API server is asked about it. */
function proof(graph, step) {
  const [, , , facts, reviews, guards] = graph.steps[step];
  const cut = graph.cut(step);
  if (!facts.length && !reviews.length) {
    return make("div", { class: "proof" }, "Nothing has to be granted for this: it is so by what the two are.");
  }
  const fact = (at) => {
    const [text, place, others] = graph.facts[at];
    return make("li", {}, text,
      place && make("code", { class: "at" }, ` ${place}`),
      others > 0 && make("span", { class: "faint" }, ` and ${plural(others, "other that gives", "others that give")} the same`) || "");
  };
  const review = (text) => make("li", {}, make("code", {}, text));
  return make("div", { class: "proof" },
    cut ? make("div", { class: "cut" }, `✂ ${cut}`) : null,
    facts.length ? make("div", {}, "Rests on", make("ul", {}, ...facts.map(fact))) : null,
    reviews.length ? make("div", {}, "The API server allows", make("ul", {}, ...reviews.map(review))) : null,
    guards.length ? make("div", {}, "Not known", make("ul", {}, ...guards.map((text) => make("li", {}, text)))) : null);
}

/** The steps of a path, each with its proof. */
function stepList(graph, steps, open, select) {
  const list = make("ol", { class: "steps" });
  for (const step of steps) {
    const [from, to] = graph.steps[step];
    const [id, title, effort] = graph.edge(step);
    const words = `${title} → ${graph.label(to)} `;
    if (graph.isFree(step)) {
      list.append(make("li", { colour: graph.kind(from) }, make("span", { class: "free" }, words)));
      continue;
    }
    const chip = make("span", { class: "chip" }, `${effort ? `${id} +${effort}` : id}${graph.cut(step) ? " ✂" : ""}`);
    list.append(make("li", { colour: graph.kind(from) },
      make("details", { open: open && "", ontoggle: (event) => event.target.open && select?.(step) },
        make("summary", {}, words, chip), proof(graph, step))));
  }
  return list;
}

/** The details of a path, a node or a step. */
function details(graph, tree, what, go) {
  const close = make("button", { type: "button", class: "close", title: "Close (Esc)", "aria-label": "Close", onclick: go.close }, "×");
  const link = (node) => make("button", { type: "button", class: "link", onclick: () => go.node(node) }, graph.label(node));
  if (what.path !== undefined) {
    const [from, effort, severity, steps] = graph.paths[what.path];
    return [close, make("h2", {}, link(from), " → ", link(graph.end(what.path))),
      make("p", {}, make("span", { class: graph.severities[severity] }, graph.severities[severity]),
        make("span", { class: "faint" }, `, effort ${effort}, ${plural(steps.length, "step", "steps")}. Open a step for its proof.`)),
      stepList(graph, steps, false, go.mark)];
  }
  if (what.step !== undefined) {
    const [from, to] = graph.steps[what.step];
    const [id, title, effort] = graph.edge(what.step);
    return [close, make("h2", {}, title), make("p", { class: "faint" }, `${id}, effort ${effort}`),
      make("p", {}, link(from), " → ", link(to)), proof(graph, what.step)];
  }
  const way = (end) => (step) =>
    make("button", { type: "button", onclick: () => go.step(step) }, `${graph.label(graph.steps[step][end])} `,
      make("span", { class: "chip" }, graph.edge(step)[0]));
  const [ins, outs] = [graph.in[what.node], graph.out[what.node]];
  const wayToHub = [];
  for (let node = what.node; tree.via[node] >= 0; node = tree.parent[node]) wayToHub.push(tree.via[node]);
  if (graph.outward) wayToHub.reverse();
  return [close, make("h2", {}, graph.label(what.node)),
    make("p", { class: "faint" }, `${words(graph.kind(what.node))}, ${plural(tree.weight[what.node] - 1, "node", "nodes")} behind it`),
    wayToHub.length ? make("h3", {}, graph.outward ? "The shortest way here" : "The shortest way on") : null,
    wayToHub.length ? stepList(graph, wayToHub, false, go.mark) : null,
    make("h3", {}, `Ways in: ${number(ins.length)}`), paged(ins, way(0)),
    make("h3", {}, `Ways out: ${number(outs.length)}`), paged(outs, way(1))].filter(Boolean);
}

/** `serviceAccount` as people write it. */
function words(kind) {
  return kind.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** All paths in full, for paper. */
function paper(graph, paths, image) {
  const most = 500;
  const article = (path) => make("article", {},
    make("h2", {}, `${graph.label(graph.paths[path][0])} → ${graph.label(graph.end(path))}`),
    make("p", {}, `${graph.severities[graph.paths[path][2]]}, effort ${graph.paths[path][1]}`),
    make("ol", {}, ...graph.paths[path][3].map((step) => {
      const facts = graph.steps[step][3].map((fact) => graph.facts[fact].slice(0, 2).filter(Boolean).join(" "));
      return make("li", {}, `${graph.edge(step)[1]} → ${graph.label(graph.steps[step][1])}`,
        facts.length ? `: ${facts.join("; ")}` : "");
    })));
  const rest = paths.length > most ? make("p", {}, `${number(paths.length - most)} more are not printed.`) : "";
  return [make("img", { src: image, alt: "" }), ...paths.slice(0, most).map(article), rest];
}
