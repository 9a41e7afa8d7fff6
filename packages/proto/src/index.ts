/** The only contract between services: messages and services generated from `proto/`. */
export * from './gen/sallyport/common/v1/common_pb.ts';
export * as authv1 from './gen/sallyport/auth/v1/auth_pb.ts';
export * as auditv1 from './gen/sallyport/audit/v1/audit_pb.ts';
export * as channelv1 from './gen/sallyport/channel/v1/channel_pb.ts';
export * as eventsv1 from './gen/sallyport/events/v1/events_pb.ts';
export * as healthv1 from './gen/grpc/health/v1/health_pb.ts';
export * as keyv1 from './gen/sallyport/key/v1/key_pb.ts';
export * as policyv1 from './gen/sallyport/policy/v1/policy_pb.ts';
export { conditionJson } from './condition-json.ts';
