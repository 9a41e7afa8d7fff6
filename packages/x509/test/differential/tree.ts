/** DER as a tree that can be bent anywhere: the value inside an extension too. */
import { writeElement } from '../support/der.ts';
import type { Draw } from './draw.ts';

interface Node {
  identifier: number;
  /** Of a primitive element whose content is no DER itself. */
  content: Uint8Array;
  children: Node[] | undefined;
}

const OCTET_STRING = 0x04;

/** Undefined when `octets` are not whole elements with definite lengths. */
function read(octets: Uint8Array): Node[] | undefined {
  const nodes: Node[] = [];
  let at = 0;
  while (at < octets.length) {
    const identifier = octets[at] ?? 0;
    let length = octets[at + 1];
    if (length === undefined) return undefined;
    at += 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3) return undefined;
      length = 0;
      for (const octet of octets.subarray(at, at + count)) length = length * 256 + octet;
      at += count;
    }
    if (at + length > octets.length) return undefined;
    const content = octets.subarray(at, at + length);
    at += length;
    const isConstructed = (identifier & 0x20) !== 0;
    const mayContain = isConstructed || (identifier === OCTET_STRING && length > 1 && content[0] !== 0x00);
    nodes.push({ identifier, content, children: mayContain ? read(content) : undefined });
  }
  return nodes;
}

function write({ identifier, content, children }: Node): Uint8Array {
  return children === undefined
    ? writeElement(identifier, content)
    : writeElement(identifier, ...children.map(write));
}

interface Place {
  readonly siblings: Node[];
  readonly index: number;
  readonly path: string;
}

function places(siblings: Node[], path: string): Place[] {
  return siblings.flatMap((node, index) => {
    const here = `${path}.${index}`;
    return [
      { siblings, index, path: here },
      ...(node.children === undefined ? [] : places(node.children, here)),
    ];
  });
}

type Bend = (node: Node, place: Place, draw: Draw) => void;

const primitives: Readonly<Record<string, Bend>> = {
  'a flipped bit': (node, _, draw) => {
    const content = Uint8Array.from(node.content);
    const at = draw.below(content.length || 1);
    content[at] = (content[at] ?? 0) ^ (1 << draw.below(8));
    node.content = content;
  },
  emptied: (node) => void (node.content = new Uint8Array(0)),
  'a zero octet before': (node) => void (node.content = Uint8Array.of(0, ...node.content)),
  'an octet less': (node) => void (node.content = node.content.subarray(0, -1)),
};
const anywhere: Readonly<Record<string, Bend>> = {
  removed: (_, { siblings, index }) => void siblings.splice(index, 1),
  'twice there': (node, { siblings, index }) => void siblings.splice(index, 0, structuredClone(node)),
  'behind its neighbour': (_, { siblings, index }) => {
    const [node] = siblings.splice(index, 1);
    if (node !== undefined) siblings.splice(index + 1, 0, node);
  },
  'another tag': (node, _, draw) => void (node.identifier ^= 1 << draw.below(5)),
};
const constructed: Readonly<Record<string, Bend>> = {
  'an element more': (node) =>
    void node.children?.push({ identifier: 0x05, content: new Uint8Array(0), children: undefined }),
  'no elements': (node) => void (node.children = []),
};

/** One element of `elements` bent, with what was done and where: `2.1.0 removed`. */
export function bend(
  elements: readonly Uint8Array[],
  draw: Draw,
): { readonly elements: readonly Uint8Array[]; readonly story: string } {
  const nodes = elements.flatMap((element) => read(element) ?? []);
  const place = draw.pick(places(nodes, ''));
  const node = place.siblings[place.index];
  if (node === undefined) return { elements, story: 'nothing' };
  const bends = { ...anywhere, ...(node.children === undefined ? primitives : constructed) };
  const name = draw.pick(Object.keys(bends));
  bends[name]?.(node, place, draw);
  return { elements: nodes.map(write), story: `element ${place.path.slice(1)} ${name}` };
}
