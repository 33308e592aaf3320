// The picture. Draws what is on screen, and of that as much as can be told apart: never more than some dozens of labels,
// and far away only the steps of the tree.

const LABELS = 70;
const LABELS_FAR = 24;
const EDGES_FAR = 12000;
const NEAR = 1.1;
const TOGETHER = 100; // Lines in one path: longer paths take longer than their lines.

class Picture {
  constructor(canvas, graph) {
    Object.assign(this, { canvas, graph, ctx: canvas.getContext("2d"), hovered: -1, chosen: -1 });
    this.view = { scale: 1, x: 0, y: 0 };
    this.lit = null; // What is selected: { nodes: Set, steps: Set }.
    this.found = null; // Nodes that the search or the filter is about.
    this.foundSteps = null;
    this.pending = false;
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Shows the nodes of a tree where the layout has them, and these steps or all between them. */
  show(tree, layout, steps) {
    Object.assign(this, { tree, layout, nodes: [...tree.order] });
    this.nodes.sort((a, b) => tree.weight[b] - tree.weight[a]);
    this.placed = new Uint8Array(this.graph.nodes.length);
    for (const node of this.nodes) this.placed[node] = 1;
    this.steps = [...(steps ?? this.graph.steps.keys())].filter((step) => this.isPlaced(step));
    this.treeStep = new Uint8Array(this.graph.steps.length);
    for (const step of steps ?? tree.via) if (step >= 0) this.treeStep[step] = 1;
    this.size = Float32Array.from(this.graph.nodes, (_, node) =>
      node === this.graph.hub ? 14 : Math.min(11, 5 + 1.1 * Math.log2(tree.weight[node])));
    this.findAgain();
    this.moved = false;
    this.settle(layout);
  }

  /** Squares in which nodes are found again. */
  findAgain() {
    const { x, y } = this.layout;
    this.cells = new Map();
    for (const node of this.nodes) {
      const key = this.cell(x[node], y[node]);
      const list = this.cells.get(key);
      if (list) list.push(node);
      else this.cells.set(key, [node]);
    }
  }

  /** Works at a layout that takes rounds, some milliseconds in each frame, until it is done or there is another. */
  settle(layout) {
    if (this.layout !== layout) return;
    // Longer than the last frame took to draw, so that a slow machine is not busy with drawing alone.
    const until = performance.now() + Math.min(100, Math.max(14, 2 * (this.took ?? 0)));
    let done = !layout.rounds;
    while (!done && performance.now() < until) done = layout.rounds.next().done;
    layout.carry?.();
    this.canvas.setAttribute("aria-busy", String(!done));
    if (done) this.findAgain();
    if (this.moved) this.draw();
    else this.fit();
    if (!done) requestAnimationFrame(() => this.settle(layout));
  }

  isPlaced(step) {
    const [from, to] = this.graph.steps[step];
    return this.placed[from] && this.placed[to];
  }

  cell(x, y) {
    return Math.floor(x / 64) * 0x100000 + Math.floor(y / 64);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colour = Object.fromEntries(["edge", "ink", "faint", "accent", "halo", "bg", "cluster"].map((name) => [name, colour(name)]));
    this.kindColour = this.graph.kinds.map(colour);
    this.draw();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const first = !this.width;
    if (!clientWidth || !clientHeight) return;
    [this.width, this.height] = [clientWidth, clientHeight];
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    if (first || !this.moved) this.fit();
    else this.draw();
  }

  /** Shows these nodes, or everything. */
  fit(nodes) {
    if (!this.layout || !this.width) return;
    this.moved = Boolean(nodes);
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const node of nodes ?? this.nodes) {
      if (!this.placed[node]) continue;
      left = Math.min(left, this.layout.x[node]);
      right = Math.max(right, this.layout.x[node]);
      top = Math.min(top, this.layout.y[node]);
      bottom = Math.max(bottom, this.layout.y[node]);
    }
    if (left > right) return;
    // In columns the names of the outermost stand beside them.
    const beside = !this.layout.curved ? 160 : nodes ? 380 : 400;
    const across = Math.max(50, this.width - beside) / Math.max(1, right - left);
    const down = Math.max(50, this.height - 110) / Math.max(1, bottom - top);
    const scale = Math.max(0.002, Math.min(across, down, nodes ? 1.6 : 1.25));
    this.view = { scale, x: (left + right) / 2, y: (top + bottom) / 2 };
    this.draw();
  }

  zoom(factor, at = { x: this.width / 2, y: this.height / 2 }) {
    const before = this.toWorld(at.x, at.y);
    this.view.scale = Math.min(8, Math.max(0.002, this.view.scale * factor));
    const after = this.toWorld(at.x, at.y);
    this.pan(before.x - after.x, before.y - after.y);
  }

  pan(x, y) {
    this.moved = true;
    this.view.x += x;
    this.view.y += y;
    this.draw();
  }

  toWorld(x, y) {
    const { view } = this;
    return { x: view.x + (x - this.width / 2) / view.scale, y: view.y + (y - this.height / 2) / view.scale };
  }

  radius(node) {
    const { scale } = this.view;
    return Math.max(node === this.graph.hub ? 8 : 1.4, this.size[node] * Math.min(1.2, Math.max(scale, 0.25)));
  }

  /** The node at a point of the screen. */
  nodeAt(x, y) {
    const reach = 14 / this.view.scale;
    const { x: wx, y: wy } = this.toWorld(x, y);
    let [best, nearest] = [-1, Infinity];
    for (let cx = wx - reach - 64; cx <= wx + reach + 64; cx += 64) {
      for (let cy = wy - reach - 64; cy <= wy + reach + 64; cy += 64) {
        for (const node of this.cells.get(this.cell(cx, cy)) ?? []) {
          const distance = Math.hypot(this.layout.x[node] - wx, this.layout.y[node] - wy) * this.view.scale;
          if (distance < nearest && distance < this.radius(node) + 5) [best, nearest] = [node, distance];
        }
      }
      if (reach > 4096) break; // Far away only what is large can be meant.
    }
    return best;
  }

  /** The step whose line passes a point of the screen. */
  stepAt(x, y) {
    const world = this.toWorld(x, y);
    const steps = this.lit ? [...this.lit.steps] : this.shown ?? [];
    let [best, nearest] = [-1, 6 / this.view.scale];
    for (const step of steps) {
      const distance = this.distance(step, world);
      if (distance < nearest) [best, nearest] = [step, distance];
    }
    return best;
  }

  distance(step, { x, y }) {
    const [from, to] = this.graph.steps[step];
    const points = this.layout.curved ? 12 : 1;
    let nearest = Infinity;
    let last = this.pointOn(from, to, 0);
    for (let i = 1; i <= points; i++) {
      const next = this.pointOn(from, to, i / points);
      const [dx, dy] = [next.x - last.x, next.y - last.y];
      const along = Math.max(0, Math.min(1, ((x - last.x) * dx + (y - last.y) * dy) / (dx * dx + dy * dy || 1)));
      nearest = Math.min(nearest, Math.hypot(last.x + along * dx - x, last.y + along * dy - y));
      last = next;
    }
    return nearest;
  }

  /** A point of the line of a step, from 0 to 1. */
  pointOn(from, to, t) {
    const { x, y, curved } = this.layout;
    if (!curved) return { x: x[from] + t * (x[to] - x[from]), y: y[from] + t * (y[to] - y[from]) };
    const bend = this.bend(from, to);
    const [a, b, c, d] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
    return {
      x: a * x[from] + b * (x[from] + bend) + c * (x[to] - bend) + d * x[to],
      y: (a + b) * y[from] + (c + d) * y[to],
    };
  }

  bend(from, to) {
    const { x } = this.layout;
    return x[from] === x[to] ? -90 : (x[to] - x[from]) / 2;
  }

  draw() {
    if (this.pending || !this.layout || !this.width) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      const start = performance.now();
      this.paint();
      this.took = performance.now() - start;
    });
  }

  paint() {
    const { ctx, view } = this;
    const ratio = window.devicePixelRatio || 1;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.width, this.height);
    ctx.translate(this.width / 2 - view.x * view.scale, this.height / 2 - view.y * view.scale);
    const corner = this.toWorld(0, 0);
    const other = this.toWorld(this.width, this.height);
    this.box = { left: corner.x, top: corner.y, right: other.x, bottom: other.y };
    this.paintSteps();
    this.paintNodes();
    this.paintLabels();
  }

  visible(node, margin = 40) {
    const { box, layout, view } = this;
    const more = margin / view.scale;
    const [x, y] = [layout.x[node], layout.y[node]];
    return x > box.left - more && x < box.right + more && y > box.top - more && y < box.bottom + more;
  }

  paintSteps() {
    const { ctx, graph, lit } = this;
    const tree = [];
    const rest = [];
    for (const step of this.steps) {
      const [from, to] = graph.steps[step];
      if (lit?.steps.has(step) || !(this.visible(from) || this.visible(to))) continue;
      (this.treeStep[step] ? tree : rest).push(step);
    }
    const few = tree.length + rest.length <= EDGES_FAR;
    this.shown = few ? [...tree, ...rest] : tree;
    ctx.strokeStyle = this.colour.edge;
    ctx.lineWidth = 1;
    const faint = lit || this.found ? 0.16 : 1;
    const many = Math.min(1, Math.max(0.25, 900 / (tree.length + 1)));
    this.stroke(few ? rest : [], 0.28 * faint * many);
    this.stroke(tree, 0.75 * faint * many);
    if (this.foundSteps && !lit) this.stroke([...this.foundSteps].filter((step) => this.isPlaced(step)), 1);
    this.paintCuts();
    if (!lit) return;
    ctx.strokeStyle = ctx.fillStyle = this.colour.accent;
    ctx.lineWidth = 2.2;
    const chosen = [...lit.steps].filter((step) => this.isPlaced(step));
    this.stroke(chosen, 1);
    if (chosen.length <= 400) for (const step of chosen) this.arrow(step);
  }

  /** The steps that a change takes away. */
  paintCuts() {
    const { ctx, lit } = this;
    const steps = this.graph.cutSteps.filter((step) => this.isPlaced(step));
    if (!steps.length) return;
    ctx.strokeStyle = this.colour.cluster;
    ctx.lineWidth = 2.2;
    ctx.setLineDash([7, 5]);
    this.stroke(steps, lit ? 0.4 : 1);
    ctx.setLineDash([]);
  }

  stroke(steps, alpha) {
    const { ctx, layout, view: { scale } } = this;
    ctx.globalAlpha = alpha;
    ctx.beginPath();
    for (let i = 0; i < steps.length; i++) {
      if (i % TOGETHER === 0 && i > 0) {
        ctx.stroke();
        ctx.beginPath();
      }
      const [from, to] = this.graph.steps[steps[i]];
      const [ax, ay, bx, by] = [layout.x[from] * scale, layout.y[from] * scale, layout.x[to] * scale, layout.y[to] * scale];
      ctx.moveTo(ax, ay);
      if (layout.curved) {
        const bend = this.bend(from, to) * scale;
        ctx.bezierCurveTo(ax + bend, ay, bx - bend, by, bx, by);
      } else {
        ctx.lineTo(bx, by);
      }
    }
    ctx.stroke();
    ctx.globalAlpha = 1;
  }

  arrow(step) {
    const { ctx, view: { scale } } = this;
    const [from, to] = this.graph.steps[step];
    const tip = this.pointOn(from, to, this.layout.curved ? 0.55 : 0.6);
    const before = this.pointOn(from, to, this.layout.curved ? 0.5 : 0.4);
    const angle = Math.atan2(tip.y - before.y, tip.x - before.x);
    if (Math.hypot(this.layout.x[to] - this.layout.x[from], this.layout.y[to] - this.layout.y[from]) * scale < 24) return;
    ctx.beginPath();
    for (const turn of [0, 2.6, -2.6]) {
      ctx.lineTo(tip.x * scale + 7 * Math.cos(angle + turn), tip.y * scale + 7 * Math.sin(angle + turn));
    }
    ctx.fill();
  }

  isStrong(node) {
    if (this.lit) return this.lit.nodes.has(node);
    return !this.found || this.found.has(node);
  }

  paintNodes() {
    const { ctx, layout, graph, view: { scale } } = this;
    const byKind = graph.kinds.map(() => ({ faint: [], strong: [] }));
    for (const node of this.nodes) {
      if (!this.visible(node)) continue;
      byKind[graph.nodes[node][0]][this.isStrong(node) ? "strong" : "faint"].push(node);
    }
    for (const strength of ["faint", "strong"]) {
      byKind.forEach((nodes, kind) => {
        ctx.fillStyle = this.kindColour[kind];
        ctx.globalAlpha = strength === "faint" ? 0.22 : 1;
        // One by one: a path of thousands of circles takes far longer to fill. Nobody sees a circle of three pixels.
        for (const node of nodes[strength]) {
          const r = this.radius(node);
          const x = layout.x[node] * scale;
          const y = layout.y[node] * scale;
          if (r < 2) {
            ctx.fillRect(x - r, y - r, 2 * r, 2 * r);
            continue;
          }
          ctx.beginPath();
          ctx.arc(x, y, r, 0, 7);
          ctx.fill();
        }
      });
    }
    ctx.globalAlpha = 1;
    this.paintHub();
    if (this.hovered >= 0) this.ring(this.hovered);
    if (this.chosen >= 0) this.ring(this.chosen);
  }

  /** The hub stands above all and shows from afar. */
  paintHub() {
    const { ctx, layout, graph, view: { scale } } = this;
    if (!this.placed[graph.hub]) return;
    const [x, y, r] = [layout.x[graph.hub] * scale, layout.y[graph.hub] * scale, this.radius(graph.hub)];
    ctx.fillStyle = this.kindColour[graph.nodes[graph.hub][0]];
    for (const [size, alpha] of [[r + 6, 0.25], [r, 1]]) {
      ctx.globalAlpha = alpha;
      ctx.beginPath();
      ctx.arc(x, y, size, 0, 7);
      ctx.fill();
    }
  }

  ring(node) {
    const { ctx, layout, view: { scale } } = this;
    ctx.strokeStyle = this.colour.ink;
    ctx.lineWidth = 2;
    ctx.beginPath();
    ctx.arc(layout.x[node] * scale, layout.y[node] * scale, this.radius(node) + 3, 0, 7);
    ctx.stroke();
  }

  /** Where a name may start, best place first: beside the ends of columns, else above or below the node. */
  labelPlaces(node, width) {
    const { layout, tree, graph, view: { scale } } = this;
    const r = this.radius(node);
    const [x, y] = [layout.x[node] * scale, layout.y[node] * scale];
    const [above, below] = [[x - width / 2, y - r - 9], [x - width / 2, y + r + 9]];
    if (!layout.curved) return [below, above];
    const farther = this.lit ? [-27, 27, -44, 44].map((by) => [x - width / 2, y + by]) : [];
    if (tree.children[node].length && node !== graph.hub) return [above, below, ...farther];
    const left = (node === graph.hub) === graph.outward;
    return [[left ? x - r - 5 - width : x + r + 5, y]];
  }

  /** Names where there is room for them: of what is selected, then of what has most behind it. */
  paintLabels() {
    const { ctx, layout, graph, tree, view: { scale } } = this;
    ctx.font = '12.5px system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    const first = this.lit ? [...this.lit.nodes] : this.found ? [...this.found].slice(0, 400) : [];
    // No name hides the hub, nor any node while there are few.
    const open = this.nodes.length > 400 ? [graph.hub] : this.nodes.filter((node) => this.visible(node));
    const taken = open.filter((node) => this.placed[node]).map((node) => {
      const [x, y, r] = [layout.x[node] * scale, layout.y[node] * scale, this.radius(node)];
      return [x - r, y - r, x + r, y + r];
    });
    const most = layout.curved || this.lit || scale > NEAR ? LABELS : LABELS_FAR;
    const done = new Set();
    let drawn = 0;
    for (const node of [graph.hub, ...first, ...this.nodes]) {
      if (drawn >= most) break;
      if (done.has(node)) continue;
      done.add(node);
      if (!this.placed[node] || !this.visible(node, 0) || !this.isStrong(node)) continue;
      // From afar a name belongs to what has something behind it.
      if (!first.includes(node) && node !== graph.hub && scale < NEAR * 0.5 && tree.weight[node] < 2) continue;
      const text = shorten(graph.label(node).replace(/^service account /, ""), 36);
      const width = ctx.measureText(text).width;
      const box = ([x, y]) => [x - 3, y - 8, x + width + 3, y + 8];
      const free = (place) => {
        const a = box(place);
        return !taken.some((b) => a[0] < b[2] && a[2] > b[0] && a[1] < b[3] && a[3] > b[1]);
      };
      const place = this.labelPlaces(node, width).find(free);
      if (!place) continue;
      const [x, y] = place;
      taken.push(box(place));
      drawn++;
      ctx.strokeStyle = this.colour.halo;
      ctx.lineWidth = 4;
      ctx.strokeText(text, x, y);
      ctx.fillStyle = this.colour.ink;
      ctx.fillText(text, x, y);
    }
  }
}

function shorten(text, most) {
  const letters = [...text];
  if (letters.length <= most) return text;
  return `${letters.slice(0, most / 2).join("")}…${letters.slice(1 - most / 2).join("")}`;
}
