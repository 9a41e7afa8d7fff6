export const wrong: number = 'a string';
