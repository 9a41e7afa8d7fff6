import { compose } from '../../../apps/auth-service/src/compose.ts';
import * as proto from '../../proto/src/index.ts';

export const reachesUp = [compose, proto];
