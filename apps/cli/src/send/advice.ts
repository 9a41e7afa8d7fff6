/** What went wrong in words, and what to do next. Total over everything that a request or a connection can end with. */
import type { ChannelError } from '@sallyport/client';

export type Sending = {
  readonly destination: string;
  /** Who sends, as the gateway knows it; unknown before a session is open. */
  readonly principal: string | undefined;
};

/** One or two sentences: the gateway's own words, then the next step. */
export function explain(error: ChannelError, sending: Sending): string {
  const next = nextStep(error, sending);
  const what = error.kind === 'refusal' ? `Refused (${error.code}): ${error.message}` : error.message;
  return `${what.replace(/\.?$/, '.')}${next === undefined ? '' : ` ${next}`}`;
}

function nextStep(error: ChannelError, { destination, principal }: Sending): string | undefined {
  const who = principal ?? '<principal>';
  if (error.kind === 'handshake') return handshakeStep(error);
  switch (error.code) {
    case 'denied':
      return `Ask why with: sallyport policy check ${who} message.send ${destination}. An administrator grants a role with: sallyport policy bind.`;
    case 'unknown_destination':
      return `The gateway has no route "${destination}": add it to sallyport.yaml, or start with: sallyport up --route ${destination}=<url>`;
    case 'upstream_failed':
    case 'upstream_timeout':
      return `Look at the service behind "${destination}"; it may have acted before it failed.`;
    case 'outcome_unknown':
    case 'response_lost':
    case 'timeout':
      return error.mayHaveTakenEffect
        ? 'It may have taken effect: check before you send it again.'
        : undefined;
    case 'busy':
    case 'unavailable':
    case 'epoch_required':
      return `Nothing was done; try again${error.retryAfterMs === undefined ? ' shortly' : ` in ${Math.ceil(error.retryAfterMs / 1000)} s`}.`;
    case 'revoked':
      return 'An administrator ended this session: sallyport sessions list shows what is open.';
    case 'too_large':
      return 'Send less at a time.';
    case 'connection_lost':
      return error.mayHaveTakenEffect
        ? 'It may have taken effect: check before you send it again.'
        : 'Is it running (npm start)? `sallyport doctor` checks the set-up.';
    default:
      return undefined;
  }
}

function handshakeStep(error: ChannelError): string {
  switch (error.code) {
    case 'denied':
      return 'This principal may not open a session: an administrator grants a role with: sallyport policy bind.';
    case 'gateway_certificate':
    case 'gateway_name':
      return 'Do --home and --port-base name the state folder that this gateway runs from? `sallyport doctor` tells more.';
    case 'busy':
    case 'unavailable':
      return 'Try again shortly.';
    default:
      return '`sallyport doctor` checks the set-up; the gateway put the cause into the audit log.';
  }
}
