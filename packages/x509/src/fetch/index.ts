/** Fetching certificates, CRLs and OCSP answers that a path points at: a port, and its implementation over HTTP. */
export {};
