// Where nodes stand. Both layouts draw the tree of the shortest ways.

const LEAF = 10;
const GAP = 14;
const SMALL = 30;
const ROUNDS = 180;

/**
 * Columns by the number of steps to the hub: reads like a sentence, for pictures of some dozens of ways. Fills a screen
 * of this width and height as well as names allow.
 */
function columns(graph, tree, width, height) {
  const [x, y] = [new Float64Array(graph.nodes.length), new Float64Array(graph.nodes.length)];
  let row = 0;
  const stack = graph.nodes.length ? [[graph.hub, 0]] : [];
  while (stack.length) {
    const top = stack[stack.length - 1];
    const [node, seen] = top;
    const children = tree.children[node];
    if (seen < children.length) {
      top[1]++;
      stack.push([children[seen], 0]);
      continue;
    }
    stack.pop();
    y[node] = children.length ? (y[children[0]] + y[children[children.length - 1]]) / 2 : row++;
    if (children.length > 1) row += 0.35;
  }
  const deep = tree.order.reduce((most, node) => Math.max(most, tree.depth[node]), 1);
  const between = (least, value, most) => Math.min(most, Math.max(least, value));
  const wide = between(100, (width - 400) / deep, 300);
  const scale = Math.min(1, Math.max(0.2, (width - 400) / (deep * wide)));
  const high = between(26, (height - 120) / scale / Math.max(1, row), 52);
  for (const node of tree.order) {
    x[node] = (graph.outward ? 1 : -1) * tree.depth[node] * wide;
    y[node] *= high;
  }
  return { x, y, curved: true };
}

/**
 * Clusters, for any number of nodes: a node and the leaves in rings around it are one disc. Discs start out in the sector
 * of their branch; then each is drawn to its parent and none stays on another. That takes many rounds: `rounds` does one
 * at each step and leaves the nodes where they are by then.
 */
function clusters(graph, tree) {
  const [x, y] = [new Float64Array(graph.nodes.length), new Float64Array(graph.nodes.length)];
  const isLeaf = (node) => !tree.children[node].length;
  const radius = new Float64Array(graph.nodes.length);
  const discs = tree.order.filter((node) => node === graph.hub || !isLeaf(node));
  const leaves = new Map(discs.map((node) => [node, tree.children[node].filter(isLeaf)]));
  for (const node of discs) radius[node] = rings(leaves.get(node), x, y);
  const moved = { x: x.slice(), y: y.slice() };
  sectors(tree, discs, radius, x, y);
  const carry = () => {
    for (const [node, around] of leaves) {
      for (const leaf of around) [x[leaf], y[leaf]] = [x[node] + moved.x[leaf], y[node] + moved.y[leaf]];
    }
  };
  carry();
  return { x, y, curved: false, carry, rounds: settle(graph, tree, discs, radius, x, y) };
}

/** Sets leaves in rings around 0, and gives the radius of the whole. */
function rings(leaves, x, y) {
  let ring = LEAF * 2;
  for (let at = 0; at < leaves.length; ring += LEAF * 1.2) {
    const room = Math.floor((2 * Math.PI * ring) / (LEAF * 1.2));
    const members = leaves.slice(at, at + room);
    members.forEach((leaf, i) => {
      const angle = ring + (2 * Math.PI * i) / Math.min(room, Math.max(members.length, 3));
      [x[leaf], y[leaf]] = [ring * Math.cos(angle), ring * Math.sin(angle)];
    });
    at += room;
  }
  return leaves.length ? ring - LEAF * 0.6 : LEAF * 1.2;
}

/** Each disc beside its parent, in the middle of the sector that its branch needs. */
function sectors(tree, discs, radius, x, y) {
  const sector = new Map([[discs[0], [0, 2 * Math.PI]]]);
  for (const node of discs) {
    const [from, to] = sector.get(node) ?? [0, 0];
    const inner = tree.children[node].filter((child) => tree.children[child].length);
    const total = inner.reduce((sum, child) => sum + tree.weight[child], 0);
    let angle = from;
    for (const child of inner) {
      const share = ((to - from) * tree.weight[child]) / total;
      const middle = angle + share / 2;
      const distance = radius[node] + radius[child] + GAP;
      x[child] = x[node] + distance * Math.cos(middle);
      y[child] = y[node] + distance * Math.sin(middle);
      sector.set(child, [angle, angle + share]);
      angle += share;
    }
  }
}

/** Springs between parents and children, and room between all. The hub does not move, and the heavy move little. */
function* settle(graph, tree, discs, radius, x, y) {
  const small = discs.filter((node) => radius[node] <= SMALL);
  const large = discs.filter((node) => radius[node] > SMALL);
  const mass = (node) => (node === graph.hub ? Infinity : radius[node] * radius[node]);
  const move = (a, b, by) => {
    const [dx, dy] = [x[b] - x[a], y[b] - y[a]];
    const distance = Math.hypot(dx, dy) || 1e-6;
    const share = mass(a) === Infinity ? 0 : mass(b) === Infinity ? 1 : mass(b) / (mass(a) + mass(b));
    const [ux, uy] = distance > 1e-5 ? [dx / distance, dy / distance] : [Math.cos(a), Math.sin(a)];
    x[a] += ux * by * share;
    y[a] += uy * by * share;
    x[b] -= ux * by * (1 - share);
    y[b] -= uy * by * (1 - share);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const pull = round < ROUNDS - 40 ? 0.25 : 0;
    for (const node of pull ? discs : []) {
      const parent = tree.parent[node];
      if (parent < 0) continue;
      const apart = Math.hypot(x[parent] - x[node], y[parent] - y[node]);
      move(node, parent, pull * (apart - radius[node] - radius[parent] - GAP));
    }
    overlapping(small, large, radius, x, y, (a, b, overlap) => move(a, b, -0.7 * overlap));
    yield;
  }
}

/** Calls `found` for each two discs that overlap, or nearly. The few large ones are compared with all. */
function overlapping(small, large, radius, x, y, found) {
  const check = (a, b) => {
    const [dx, dy] = [x[b] - x[a], y[b] - y[a]];
    const least = radius[a] + radius[b] + GAP;
    const square = dx * dx + dy * dy;
    if (square < least * least) found(a, b, least - Math.sqrt(square));
  };
  large.forEach((a, rank) => {
    for (let i = rank + 1; i < large.length; i++) check(a, large[i]);
    for (const b of small) check(a, b);
  });
  const side = 2 * SMALL + GAP;
  const squares = new Map();
  for (const a of small) {
    const [i, j] = [Math.floor(x[a] / side), Math.floor(y[a] / side)];
    for (let near = i - 1; near <= i + 1; near++) {
      for (let k = j - 1; k <= j + 1; k++) {
        for (const b of squares.get(near * 0x100000 + k) ?? []) check(a, b);
      }
    }
    const key = i * 0x100000 + j;
    const there = squares.get(key);
    if (there) there.push(a);
    else squares.set(key, [a]);
  }
}
