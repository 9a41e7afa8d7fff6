import { serve } from './rpc/serve.ts';

export function compose(words: number): number {
  return serve(words);
}
