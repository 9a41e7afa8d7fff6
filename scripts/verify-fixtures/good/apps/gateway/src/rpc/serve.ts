import { count } from '../app/count.ts';

export function serve(words: number): number {
  return count(words);
}
