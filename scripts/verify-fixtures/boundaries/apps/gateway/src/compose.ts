import { compose as other } from '../../auth-service/src/compose.ts';
import { missing } from './nowhere.ts';
import { serve } from './rpc/serve.ts';

export function compose(words: number): number {
  return serve(words) + other() + missing;
}
