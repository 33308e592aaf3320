// What the page is about: `data` as it was written, with the steps in and out of each node.

/**
 * @param {object} data nodes are [kind, label], edges [id, title, effort], steps [from, to, edge, facts, reviews, guards, cut], facts
 * [text, place, others], cuts are texts, paths [from, effort, severity, steps]; everything refers to everything by position.
 */
function readGraph(data) {
  const lists = () => Array.from(data.nodes, () => []);
  const graph = { ...data, in: lists(), out: lists() };
  data.steps.forEach(([from, to], step) => {
    graph.out[from].push(step);
    graph.in[to].push(step);
  });
  graph.label = (node) => data.nodes[node][1];
  graph.kind = (node) => data.kinds[data.nodes[node][0]];
  graph.edge = (step) => data.edges[data.steps[step][2]];
  // The change that takes a step away, in words.
  graph.cut = (step) => data.cuts[data.steps[step][6]];
  graph.cutSteps = data.steps.flatMap((step, position) => (step[6] === null ? [] : [position]));
  graph.isFree = (step) => data.steps[step][3].length === 0 && graph.edge(step)[2] === 0;
  graph.end = (path) => {
    const steps = data.paths[path][3];
    return steps.length ? data.steps[steps[steps.length - 1]][1] : data.paths[path][0];
  };
  graph.nodesOf = (path) => [data.paths[path][0], ...data.paths[path][3].map((step) => data.steps[step][1])];
  // Where its steps lead that say something, but for the end.
  graph.passes = (path) => data.paths[path][3].slice(0, -1).filter((step) => !graph.isFree(step)).map((step) => graph.label(data.steps[step][1]));
  // Kinds of steps on the path that say something, in their order.
  graph.via = (path) => data.paths[path][3].filter((step) => !graph.isFree(step)).map((step) => graph.edge(step)[0]);
  graph.onPaths = new Set(data.paths.flatMap((path) => path[3]));
  return graph;
}

/**
 * The way of least effort between each node and the hub, as a tree: the node next to it, and the step there. With
 * `only` it is made of these steps, and other nodes are no part of it.
 */
function treeOf(graph, only) {
  const size = graph.nodes.length;
  const cost = new Int32Array(size).fill(0x7fffffff);
  const parent = new Int32Array(size).fill(-1);
  const via = new Int32Array(size).fill(-1);
  const order = [];
  if (!size) return { parent, via, order, children: [], depth: new Int32Array(0), weight: new Int32Array(0) };
  cost[graph.hub] = 0;
  const buckets = [[graph.hub]];
  for (let at = 0; at < buckets.length; at++) {
    for (const node of buckets[at] ?? []) {
      if (cost[node] !== at) continue;
      order.push(node);
      cost[node] = -at - 1; // Done, and never visited again.
      for (const step of graph.outward ? graph.out[node] : graph.in[node]) {
        if (only && !only.has(step)) continue;
        const next = graph.steps[step][graph.outward ? 1 : 0];
        const further = at + 1 + 64 * graph.edge(step)[2];
        if (further >= cost[next]) continue;
        cost[next] = further;
        parent[next] = node;
        via[next] = step;
        (buckets[further] ??= []).push(next);
      }
    }
  }
  for (let node = 0; node < size && !only; node++) {
    if (cost[node] < 0) continue;
    parent[node] = graph.hub;
    order.push(node);
  }
  const children = Array.from(graph.nodes, () => []);
  const depth = new Int32Array(size);
  const weight = new Int32Array(size).fill(1);
  for (const node of order) if (parent[node] >= 0) depth[node] = depth[parent[node]] + 1;
  for (const node of [...order].reverse()) {
    if (parent[node] < 0) continue;
    weight[parent[node]] += weight[node];
    children[parent[node]].push(node);
  }
  for (const list of children) {
    list.sort((a, b) => weight[b] - weight[a] || (graph.label(a) < graph.label(b) ? -1 : 1));
  }
  return { parent, via, order, children, depth, weight };
}
