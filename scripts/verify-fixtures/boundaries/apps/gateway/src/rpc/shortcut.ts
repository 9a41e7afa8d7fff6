import { rows } from '../store/rows.ts';

export const shortcut = rows;
