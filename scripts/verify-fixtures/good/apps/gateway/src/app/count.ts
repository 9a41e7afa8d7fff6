import { next } from '../domain/number.ts';

export function count(value: number): number {
  return next(value);
}
