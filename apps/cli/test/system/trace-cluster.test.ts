/** The trace of a message through five kinds of processes, Redis, NATS and Postgres. Budget: 120 s on two cores. */
import { serverSuite } from '@sallyport/service/testing';
import { describe } from 'vitest';
import { traceSuite } from '../support/trace-suite.ts';

const suite = await serverSuite('redis', 'nats', 'postgres');

describe.skipIf(suite.skip)(suite.title('a trace in the cluster profile'), () => {
  traceSuite({ profile: 'cluster', replicas: 'gateway=2,audit-service=2' });
});
