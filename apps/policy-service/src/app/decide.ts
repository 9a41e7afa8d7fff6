import { SallyportError, invalidArgument } from '@sallyport/service/errors';
import { parsePrincipalId } from '../domain/names.ts';
import type { Access, AccessRequest } from './ports.ts';
import type { InForce } from './publish.ts';
import { refusalError } from './write.ts';

/** Bounds of what may be asked; the engine has its own, of the same order. */
const maxNameChars = 255;

/** Decides by the revision in force. Throws `SallyportError`: `policy_unavailable` when there is none. */
export function decide(inForce: () => InForce | undefined, request: AccessRequest): Access {
  const principal = parsePrincipalId(request.principal, 'subject.principal');
  if (!principal.ok) throw refusalError(principal.refusal);
  const texts = {
    'subject.tenant': request.tenant,
    'subject.method': request.method,
    action: request.action,
    resource_kind: request.resource.kind,
    resource_name: request.resource.name,
  };
  for (const [field, text] of Object.entries(texts)) {
    if (text.length > maxNameChars) {
      throw invalidArgument(`${field} is longer than ${maxNameChars} characters.`, { field });
    }
  }
  const current = inForce();
  if (current === undefined) {
    throw new SallyportError(
      'policy_unavailable',
      'There is no policy in force yet: nothing can be decided.',
    );
  }
  return current.evaluate(request);
}
