export * from './gen/sallyport/sample/v1/sample_pb.ts';
