export { grpcClient } from './client.ts';
export type { CallOptions } from './client-calls.ts';
export type { ClientConnection, GrpcClient, GrpcClientOptions, ServiceCalls } from './client.ts';
export type { FrameHandler, FrameStream, FrameStreamHandler } from './frame-stream.ts';
export { implement } from './implement.ts';
export type {
  CallContext,
  Handlers,
  ImplementOptions,
  ServerStreamHandler,
  ServiceImplementation,
  UnaryHandler,
} from './implement.ts';
export { DEFAULT_LIMITS } from './limits.ts';
export type { GrpcLimits } from './limits.ts';
export { policyAuthorizer } from './policy-authorizer.ts';
export type { PolicyAuthorizerOptions } from './policy-authorizer.ts';
export type {
  AuthorizePrincipal,
  OnDecision,
  OnOutcome,
  PrincipalCall,
  PrincipalCallOutcome,
  Resource,
  Verdict,
} from './ports.ts';
export { startGrpcServer } from './server.ts';
export type { GrpcServer, GrpcServerOptions } from './server.ts';
