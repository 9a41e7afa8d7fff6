/** What the use cases ask of the world. Adapters: `store/`, `clients/`. */
import type { JsonObject } from '@sallyport/policy-engine';
import type { InstanceReport } from '../domain/instance.ts';
import type { Change, Planner, PolicyState } from '../domain/policy-state.ts';
import type { Refusal } from '../domain/result.ts';
import type { RouteName, Sighting, ToolRecord, ToolRef } from '../domain/tool.ts';
import type { StoredTool } from '../domain/tool-record.ts';

/** Who makes a change: an authenticated principal, or the service itself at start. */
export type Actor =
  | {
      readonly kind: 'principal';
      readonly id: string;
      readonly peerAddress: string;
      readonly correlationId: string;
    }
  | { readonly kind: 'service' };

export type Written =
  | { readonly kind: 'written'; readonly state: PolicyState }
  | { readonly kind: 'unchanged'; readonly revision: bigint }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface PolicyReader {
  /** One consistent picture. Throws `SallyportError`. */
  read(): Promise<PolicyState>;
}

export interface PolicyWriter {
  /**
   * Reads, plans and stores in one transaction, alone: no two plans see the same revision. The changes, their audit
   * trail-to-be and the new revision become durable together, or nothing does. Throws `SallyportError`.
   */
  update(plan: Planner, by: { readonly actor: Actor; readonly atMs: number }): Promise<Written>;
}

/** One stored change, as it must appear in the audit log. */
export type LoggedChange = {
  readonly revision: bigint;
  /** Place among the changes of this revision, from 0. */
  readonly position: number;
  readonly atMs: number;
  readonly actor: Actor;
  readonly change: Change;
};

/** The changes that are stored and not yet known to be in the audit log. */
export interface ChangeLog {
  /** Oldest first. */
  unrecorded(limit: number): Promise<readonly LoggedChange[]>;
  markRecorded(change: Pick<LoggedChange, 'revision' | 'position'>): Promise<void>;
}

/** A signed bundle that our own verifier accepted. */
export type Publication = {
  readonly revision: bigint;
  /** The signed OPA bundle (tar, gzip). */
  readonly bundle: Uint8Array;
  readonly keyId: string;
  /** Ed25519, raw, 32 bytes: verifies the bundle again when key-service is away. */
  readonly publicKey: Uint8Array;
  readonly builtAtMs: number;
};

export interface Publications {
  latest(): Promise<Publication | undefined>;
  /** Of the one that is kept; 0 = none. */
  latestRevision(): Promise<bigint>;
  /** Keeps `publication` unless one of a later revision is kept already. */
  save(publication: Publication): Promise<void>;
  /** The last revision that went out on the bus; 0 = none. */
  announcedRevision(): Promise<bigint>;
  /** Never moves backwards. */
  markAnnounced(revision: bigint): Promise<void>;
}

export interface InstanceReports {
  /** Replaces what the instance reported before. */
  put(report: InstanceReport): Promise<void>;
  list(): Promise<readonly InstanceReport[]>;
  /** Forgets reports older than `beforeMs`. */
  prune(beforeMs: number): Promise<void>;
}

export type ToolFilter = {
  readonly route: RouteName | undefined;
  /** Only those that wait for somebody. */
  readonly changedOnly: boolean;
  /** The one before the first; in the order of route, then tool, unit by unit. */
  readonly after: { readonly route: string; readonly tool: string } | undefined;
  readonly limit: number;
};

/** Tools beyond what the policy says of them: definitions, when and by whom they were seen. */
export interface ToolRecords {
  get(ref: ToolRef): Promise<StoredTool | undefined>;
  /** Those that are known, in no order. */
  find(refs: readonly ToolRef[]): Promise<readonly ToolRecord[]>;
  list(filter: ToolFilter): Promise<readonly ToolRecord[]>;
  /**
   * Notes that known tools were seen again (`storedAfterSighting`); unknown ones are left out. No revision: a candidate
   * is not in the bundle. Never between the read and the write of a plan.
   */
  sight(
    sightings: readonly Sighting[],
    by: { readonly instance: string; readonly atMs: number },
  ): Promise<void>;
  /** How many wait for somebody. */
  waiting(): Promise<number>;
}

export type AccessRequest = {
  readonly principal: string;
  readonly tenant: string;
  /** How the principal proved itself: "mtls", "certificate", "psk". */
  readonly method: string;
  readonly action: string;
  readonly resource: { readonly kind: string; readonly name: string };
  /** Of a call; `'any'`: could some be allowed? Absent: it is not a call. */
  readonly arguments?: JsonObject | 'any';
};

export type Access = {
  readonly allowed: boolean;
  readonly reasons: readonly string[];
  /** For a denial: what would allow it. */
  readonly requires: readonly string[];
  /** The subject's roles, inherited ones included. */
  readonly roles: readonly string[];
  readonly revision: bigint;
};

/** Decides by one revision of the policy. Never throws: whatever goes wrong is a denial. */
export type Evaluate = (request: AccessRequest) => Access;

/** The signed form of a policy. */
export interface Bundles {
  /** Builds and signs the bundle of `state`, and verifies it as a gateway would. Throws `SallyportError`. */
  build(state: PolicyState): Promise<Omit<Publication, 'builtAtMs'>>;
  /** Verifies `publication` against its own key and makes it ready to decide. Throws when it does not fit. */
  open(publication: Publication): Promise<Evaluate>;
}

/** Resolves when the broker took it. */
export type Announce = (revision: bigint) => Promise<void>;

/** Resolves when the change is durable in the audit spool. */
export type RecordChange = (change: LoggedChange) => Promise<void>;

/** Rejects while nothing can be recorded: a change must not be made then. */
export type CheckRecorder = () => Promise<void>;

/** Resolves after `ms`, or at once when `signal` is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

export interface PublisherLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
