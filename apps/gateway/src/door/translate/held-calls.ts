/** Calls that wait in this process for a client's input, found again by a handle that only its caller may use, once. */
import { digestOf, without, type Request } from '@sallyport/model-context';
import { UpstreamFailure, type Caller } from '../ports.ts';
import { TRANSLATE_LIMITS, type TranslatePorts } from './ports.ts';
import type { RunningCall } from './running-call.ts';
import { ownerOf } from './session-pool.ts';

export type HeldCalls = Disposable & {
  /** The handle: unguessable, bound to the caller, its client and the request. Throws `UpstreamFailure` (`busy`) over a limit. */
  hold(caller: Caller, request: Request, call: RunningCall): string;
  /** The call that waits under a handle, which is used up; undefined: no such call waits here for this caller and request. */
  take(caller: Caller, request: Request, handle: string): RunningCall | undefined;
};

type Held = {
  readonly call: RunningCall;
  readonly bound: string;
  readonly owner: string;
  readonly timer: Disposable;
};

/**
 * Bounds and times are those of `ports.limits`. A call nobody comes for is cancelled when its time is over, all of
 * them by disposing.
 */
export function heldCalls(ports: TranslatePorts): HeldCalls {
  const limits = { ...TRANSLATE_LIMITS, ...ports.limits };
  const held = new Map<string, Held>();

  const release = (handle: string): Held | undefined => {
    const found = held.get(handle);
    held.delete(handle);
    found?.timer[Symbol.dispose]();
    return found;
  };
  return {
    hold(caller, request, call) {
      const owner = ownerOf(caller);
      const own = [...held.values()].filter((one) => one.owner === owner).length;
      if (held.size >= limits.maxHeldCalls || own >= limits.maxHeldCallsPerPrincipal) {
        call.cancel('Too many calls wait for input.');
        throw new UpstreamFailure('busy', 'Too many calls wait for input.');
      }
      const handle = Buffer.from(ports.randomBytes(24)).toString('base64url');
      const timer = ports.schedule(limits.heldCallMs, () =>
        release(handle)?.call.cancel('No input came in time.'),
      );
      held.set(handle, { call, bound: boundTo(caller, request), owner, timer });
      return handle;
    },
    take(caller, request, handle) {
      return held.get(handle)?.bound === boundTo(caller, request) ? release(handle)?.call : undefined;
    },
    [Symbol.dispose]() {
      for (const handle of [...held.keys()]) release(handle)?.call.cancel('The gateway is stopping.');
    },
  };
}

/** A retry is the same request but for what was gathered (2026-07-28 "Multi Round-Trip Requests"). */
const boundTo = (caller: Caller, request: Request): string =>
  digestOf([
    ownerOf(caller),
    caller.clientId,
    request.method,
    without(request.params ?? {}, '_meta', 'inputResponses', 'requestState'),
  ]);
