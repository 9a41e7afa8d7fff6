/**
 * The part of WebAssembly's JavaScript API that this package uses. TypeScript has it only in its DOM library, which would
 * bring a browser's globals into every package that imports this one.
 */

export type WasmModule = { readonly brand?: 'WebAssembly.Module' };

export type WasmInstance = { readonly exports: Readonly<Record<string, unknown>> };

export type WasmMemory = { readonly buffer: ArrayBuffer };

type WasmApi = {
  readonly compile: (bytes: Uint8Array) => Promise<WasmModule>;
  readonly Module: { readonly imports: (module: WasmModule) => readonly { module: string; name: string }[] };
  readonly Instance: new (
    module: WasmModule,
    imports: Record<string, Record<string, unknown>>,
  ) => WasmInstance;
  /** Sizes in pages of 64 KiB. */
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
};

export const webAssembly: WasmApi = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
