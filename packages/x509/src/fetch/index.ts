/** Fetching certificates, CRLs and OCSP answers that a path points at: a port, and its implementation over HTTP. */
export { isPublicAddress } from './addresses.ts';
export { cachingFetcher, type CachingFetcherOptions } from './caching.ts';
export { httpFetcher, type HttpFetcherOptions } from './http.ts';
export {
  onlineValidator,
  type FetchRecord,
  type OnlineOptions,
  type OnlineResult,
  type OnlineValidator,
} from './online.ts';
export type * from './port.ts';
