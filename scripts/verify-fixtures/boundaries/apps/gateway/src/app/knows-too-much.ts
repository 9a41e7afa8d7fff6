import { create } from '@bufbuild/protobuf';
import { serve } from '../rpc/serve.ts';

export const knowsTooMuch = [serve(1), create];
