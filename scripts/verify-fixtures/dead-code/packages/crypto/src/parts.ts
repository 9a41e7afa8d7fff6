export const used = 1;

export function nobodyCalls(): void {}
