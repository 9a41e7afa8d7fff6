/** For tests that stand between a session and its wire: not part of what is published. */
export { openGrpcCarrier } from './grpc-carrier.ts';
