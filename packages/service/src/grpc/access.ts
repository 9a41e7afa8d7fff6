/** Who may call a method, read from the proto's `access` option. What it does not grant is denied. */
import { getOption, hasOption, type DescMethod } from '@bufbuild/protobuf';
import { access } from '@sallyport/proto';
import { SERVICE_NAMES, isServiceName, type ServiceName } from '../identity/index.ts';

export interface MethodAccess {
  readonly services: ReadonlySet<ServiceName>;
  /** The action policy decides when a principal calls; `undefined`: no principal may. */
  readonly principalAction: string | undefined;
  /** Anyone who completes TLS, which on a server that asks for certificates means: anyone with one of ours. */
  readonly anyone: boolean;
}

// "policy.write", "session.open".
const ACTION = /^[a-z]+(?:\.[a-z]+)+$/u;

/** `sallyport.key.v1.KeyService/RotateKey`. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** A method's access. Throws `TypeError` when the proto says nothing, or something that cannot be meant. */
export function accessOf(method: DescMethod): MethodAccess {
  const name = methodName(method);
  if (!hasOption(method, access)) throw new TypeError(`${name} has no access option: say who may call it`);
  const { services, principalAction, anyone } = getOption(method, access);
  const allowed = new Set<ServiceName>();
  for (const service of services) {
    if (!isServiceName(service)) {
      throw new TypeError(
        `${name} allows "${service}", which is not a service; the services are ${SERVICE_NAMES.join(', ')}`,
      );
    }
    allowed.add(service);
  }
  if (principalAction !== '' && !ACTION.test(principalAction)) {
    throw new TypeError(`${name}: "${principalAction}" is not an action like policy.write`);
  }
  if (anyone && (allowed.size > 0 || principalAction !== '')) {
    throw new TypeError(`${name} is for anyone and for someone at once`);
  }
  if (!anyone && allowed.size === 0 && principalAction === '') {
    throw new TypeError(`${name} is for nobody: its access option is empty`);
  }
  return {
    services: allowed,
    principalAction: principalAction === '' ? undefined : principalAction,
    anyone,
  };
}
