import { invalidArgument } from '@sallyport/service/errors';
import { parsePrincipalId } from '@sallyport/service/identity';

/** Undefined for nobody in particular. Throws `invalid_argument` for what is not a principal. */
export function principalFilter(principal: string): string | undefined {
  if (principal === '') return undefined;
  if (parsePrincipalId(principal) === undefined)
    throw invalidArgument('not a principal, which looks like user:alice', { field: 'principal' });
  return principal;
}
