import { expect, it } from 'vitest';
import { parseSource, sourceNetwork } from './source.ts';

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['2001:0db8:0001::', '2001:db8:1:0::/64'],
  ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
  ['fe80::1%eth0', 'unknown'],
  ['', 'unknown'],
  ['user:alice', 'unknown'],
  ['192.0.2.7:443', 'unknown'],
])('%s counts as %s', (address, network) => {
  expect(sourceNetwork(address)).toBe(network);
});

it.each([
  ['2001:DB8::1', '2001:db8::1'],
  ['evil\nline', 'unknown'],
])('%j is kept as %s', (address, kept) => {
  expect(parseSource(address)).toBe(kept);
});
