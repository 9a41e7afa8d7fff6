/** Fetching certificates, CRLs and OCSP answers that a path points at: a port, and its implementation over HTTP. */
export { isPublicAddress } from './addresses.ts';
export { httpFetcher, type HttpFetcherOptions } from './http.ts';
export type * from './port.ts';
