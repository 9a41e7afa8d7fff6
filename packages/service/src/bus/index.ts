export { BusError } from './error.ts';
export type { BusErrorKind } from './error.ts';
export { busNote } from './note.ts';
export { memoryBus } from './memory-bus.ts';
export type { MemoryBusOptions } from './memory-bus.ts';
export type { Bus, BusHandler, BusMessage, PublishOptions, SubscribeOptions, Subscription } from './port.ts';
