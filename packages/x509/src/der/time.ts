/** UTCTime and GeneralizedTime as RFC 5280 section 4.1.2.5 restricts them: seconds are there, `Z`, no fraction. */

/** Section 4.1.2.5.1: `YYMMDDHHMMSSZ`, 50 to 99 are of the last century. Undefined when it is none. */
export function millisecondsOfUtcTime(bytes: Uint8Array, start: number, end: number): number | undefined {
  if (end - start !== 13) return undefined;
  const year = twoDigits(bytes, start);
  return milliseconds(bytes, start + 2, year + (year >= 50 ? 1900 : 2000));
}

/** Section 4.1.2.5.2: `YYYYMMDDHHMMSSZ`. Undefined when it is none. */
export function millisecondsOfGeneralizedTime(
  bytes: Uint8Array,
  start: number,
  end: number,
): number | undefined {
  if (end - start !== 15) return undefined;
  return milliseconds(bytes, start + 4, twoDigits(bytes, start) * 100 + twoDigits(bytes, start + 2));
}

/** `MMDDHHMMSSZ` of a year. */
function milliseconds(bytes: Uint8Array, at: number, year: number): number | undefined {
  const month = twoDigits(bytes, at);
  const day = twoDigits(bytes, at + 2);
  const hour = twoDigits(bytes, at + 4);
  const minute = twoDigits(bytes, at + 6);
  const second = twoDigits(bytes, at + 8);
  const isInRange = year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(month, year);
  const isInDay = hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60;
  if (!isInRange || !isInDay || bytes[at + 10] !== 0x5a) return undefined;
  return (((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

/** So negative when one is no digit that no sum of two makes up for it. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - 0x30;
  const ones = (bytes[at + 1] ?? 0) - 0x30;
  return tens < 0 || tens > 9 || ones < 0 || ones > 9 ? -100_000 : tens * 10 + ones;
}

function daysOf(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** In the Gregorian calendar, for every year (`Date.UTC` takes 0 to 99 for 1900 to 1999). Years begin in March here. */
function daysSince1970(year: number, month: number, day: number): number {
  const shifted = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(shifted / 4) - Math.floor(shifted / 100) + Math.floor(shifted / 400);
  return shifted * 365 + leapDays + dayOfYear - 719_468;
}
