/** Mailboxes in certificates: rfc822Name (RFC 5280 sections 4.2.1.6 and 7.5) and SmtpUTF8Mailbox (RFC 9598). */
import type { GeneralName } from '../certificate/types.ts';
import { readDer } from '../der/reader.ts';
import { UTF8_STRING } from '../der/tags.ts';
import { fullHostName, hostName, internationalHostName, isInDomain } from './dns.ts';

export interface Mailbox {
  /** As it stood: compared octet by octet, case and all. A quoted string keeps its quotes. */
  readonly local: string;
  /** Lower case, A-labels. */
  readonly host: string;
}

const DOT_ATOM = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/u;
const QUOTED = /^"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"$/u;
const DOT_ATOM_UTF8 =
  /^[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+(?:\.[\w!#$%&'*+/=?^`{|}~\u{80}-\u{10ffff}-]+)*$/u;

/** RFC 5321 section 4.1.2, without address literals; undefined when the text is no mailbox. */
export function mailbox(text: string): Mailbox | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const host = fullHostName(text.slice(at + 1));
  if (at < 1 || host === undefined) return undefined;
  return DOT_ATOM.test(local) || QUOTED.test(local) ? { local, host } : undefined;
}

/** RFC 9598 section 3: other characters than ASCII in the local part; the host may still have U-labels (RFC 8398). */
export function internationalMailbox(text: string): Mailbox | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const host = internationalHostName(text.slice(at + 1));
  if (at < 1 || host === undefined) return undefined;
  return DOT_ATOM_UTF8.test(local) || QUOTED.test(local) ? { local, host } : undefined;
}

/** id-on-SmtpUTF8Mailbox. */
const SMTP_UTF8_MAILBOX = '1.3.6.1.5.5.7.8.9';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Whether the name is an address of a mailbox in any of its two forms. */
export function isMailboxName(name: GeneralName): boolean {
  return name.kind === 'email' || (name.kind === 'other' && name.type === SMTP_UTF8_MAILBOX);
}

/** The mailbox that a name presents; undefined when it presents none, or a malformed one. */
export function presentedMailbox(name: GeneralName): Mailbox | undefined {
  if (name.kind === 'email') return mailbox(name.value);
  if (name.kind !== 'other' || name.type !== SMTP_UTF8_MAILBOX) return undefined;
  let read = utf8Mailboxes.get(name);
  if (read === undefined) {
    const text = utf8String(name.value);
    read = { mailbox: text === undefined ? undefined : internationalMailbox(text) };
    utf8Mailboxes.set(name, read);
  }
  return read.mailbox;
}

/** Read once, however many constraints a name is held against: U-labels are costly. */
const utf8Mailboxes = new WeakMap<GeneralName, { readonly mailbox: Mailbox | undefined }>();

/** Undefined for any other DER. */
function utf8String(der: Uint8Array): string | undefined {
  const octets = readDer(der, der.length, (reader) => reader.octets(UTF8_STRING));
  if (!octets.ok) return undefined;
  try {
    return utf8.decode(octets.value);
  } catch {
    return undefined;
  }
}

/** RFC 5280 section 7.5: the local part exactly, the host without regard to case. */
export function sameMailbox(a: Mailbox, b: Mailbox): boolean {
  return a.local === b.local && a.host === b.host;
}

/** What an rfc822Name constraint holds (RFC 5280 section 4.2.1.10). */
export type MailboxSubtree =
  | { readonly form: 'mailbox'; readonly mailbox: Mailbox }
  | { readonly form: 'host'; readonly host: string }
  | { readonly form: 'domain'; readonly domain: string }
  | { readonly form: 'all' };

/** Undefined when the text is none of the forms. */
export function mailboxSubtree(text: string): MailboxSubtree | undefined {
  if (text === '') return { form: 'all' };
  if (text.includes('@')) {
    const value = mailbox(text);
    return value === undefined ? undefined : { form: 'mailbox', mailbox: value };
  }
  const domain = hostName(text.startsWith('.') ? text.slice(1) : text);
  if (domain === undefined) return undefined;
  return text.startsWith('.') ? { form: 'domain', domain } : { form: 'host', host: domain };
}

export function isMailboxWithin(value: Mailbox, subtree: MailboxSubtree): boolean {
  switch (subtree.form) {
    case 'mailbox':
      return sameMailbox(value, subtree.mailbox);
    case 'host':
      return value.host === subtree.host;
    case 'domain': // any host below, not the domain's own
      return value.host.length > subtree.domain.length && isInDomain(value.host, subtree.domain);
    case 'all':
      return true;
  }
}
