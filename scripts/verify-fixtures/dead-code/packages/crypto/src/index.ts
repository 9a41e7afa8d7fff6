import pad from 'left-pad';
import { used } from './parts.ts';

export const padded: unknown = pad(used);
