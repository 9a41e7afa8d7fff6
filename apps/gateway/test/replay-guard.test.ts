import { memoryReplayGuard } from '../src/guard/memory.ts';
import { replayGuardContract } from './contract/replay-guard.ts';

replayGuardContract('memory', (clock) => Promise.resolve(memoryReplayGuard({ clock })));
