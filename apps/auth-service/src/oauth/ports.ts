/** What the authorization server asks of the rest of auth-service, and of its store. */

/** A user who proved a password, and when that had been set. Rejects with `busy` when too many are tried, `unavailable` when nobody can say. */
export type VerifyPassword = (attempt: {
  /** As typed; not checked for form. */
  readonly username: string;
  readonly password: string;
  readonly sourceAddress: string;
}) => Promise<{ readonly principal: string; readonly setAt: number } | undefined>;

/** A token session: what a grant is. Revoking it ends every token that came of it. */
export type TokenSession = {
  /** Hex of 16 bytes. */
  readonly sessionId: string;
  readonly principal: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
};

export type TokenSessions = {
  open(session: {
    readonly principal: string;
    readonly clientId: string;
    readonly sourceAddress: string;
  }): Promise<TokenSession>;
  /** Undefined when it is unknown, over or revoked. */
  find(sessionId: string): Promise<TokenSession | undefined>;
  /** Repeating is harmless; so is a session that nobody knows. `principal`: who asked for it. */
  end(sessionId: string, by: string | undefined, cause: string): Promise<void>;
};

export type AccessTokenWanted = {
  readonly sessionId: string;
  readonly principal: string;
  readonly clientId: string;
  /** Resource URLs. */
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
  /** RFC 7638 thumbprint of the client's DPoP key; undefined = bearer. */
  readonly thumbprint?: string | undefined;
};

/** Signs a JWT access token (RFC 9068). */
export type IssueAccessToken = (
  wanted: AccessTokenWanted,
) => Promise<{ readonly token: string; readonly expiresInSeconds: number }>;

/** The public keys as a JWK set (RFC 7517), as it is served. */
export type PublicKeys = () => Promise<{ readonly keys: readonly Readonly<Record<string, unknown>>[] }>;

/** What an access token of ours says, while it is good; undefined for everything else. */
export type InspectToken = (token: string) => Promise<InspectedToken | undefined>;
export type InspectedToken = {
  readonly principal: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly audience: readonly string[];
  readonly scopes: readonly string[];
  /** Hex. */
  readonly sessionId: string;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  /** Thumbprint of the key that must prove each use. */
  readonly jkt: string | undefined;
  readonly tokenId: string;
};

/** When the password that `principal` signs in with now was set; undefined when there is none. */
export type PasswordSetAt = (principal: string) => Promise<number | undefined>;

/** Whether policy gives `principal` the action `tokens.read`. Rejects when policy cannot say. */
export type MayReadTokens = (principal: string) => Promise<boolean>;

/** A row of the provider's: nothing in it says anything without the secret. */
export type OAuthRecord = {
  readonly model: string;
  /** 32 bytes: a keyed hash. */
  readonly id: Uint8Array;
  /** Of the grant that it belongs to, and of the second name that it is found by. */
  readonly grant: Uint8Array | undefined;
  readonly uid: Uint8Array | undefined;
  readonly sealed: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
};

export type FoundRecord = {
  readonly id: Uint8Array;
  readonly sealed: Uint8Array;
  readonly consumedAt: number | undefined;
};

export type OAuthRecords = {
  /** Undefined when it is unknown or over by `now`. */
  find(model: string, by: 'id' | 'uid', hash: Uint8Array, now: number): Promise<FoundRecord | undefined>;
  /** Inserts or replaces. What was consumed stays consumed. */
  put(record: OAuthRecord): Promise<void>;
  /**
   * `exists` when the id is there. Where the model has `maxLive` rows that are not over by `now`, the first to end of those
   * that were never consumed gives way; `full` when there is none.
   */
  insert(record: OAuthRecord, now: number, maxLive?: number): Promise<'inserted' | 'exists' | 'full'>;
  /** True for exactly one caller, on whichever replica. */
  consume(model: string, id: Uint8Array, now: number): Promise<boolean>;
  remove(model: string, by: 'id' | 'grant', hash: Uint8Array): Promise<void>;
  /** Forgets up to `limit` that were over before `now`; resolves to how many. */
  sweep(now: number, limit: number): Promise<number>;
};

/** The sealed secret that identifiers are hashed and payloads are sealed with. */
export type OAuthSecrets = {
  find(): Promise<Uint8Array | undefined>;
  /** Keeps it unless there is one. Resolves to the one that is kept. */
  insert(sealed: Uint8Array): Promise<Uint8Array>;
};

export type OAuthStore = { readonly records: OAuthRecords; readonly secrets: OAuthSecrets };

export type OAuthPorts = {
  readonly store: OAuthStore;
  readonly verifyPassword: VerifyPassword;
  readonly sessions: TokenSessions;
  readonly issueAccessToken: IssueAccessToken;
  readonly inspectToken: InspectToken;
  readonly publicKeys: PublicKeys;
  readonly passwordSetAt: PasswordSetAt;
  readonly mayReadTokens: MayReadTokens;
};
