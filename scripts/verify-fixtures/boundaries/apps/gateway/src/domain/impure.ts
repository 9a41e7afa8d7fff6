import { serve } from '../rpc/serve.ts';

export const impure = serve(1);
