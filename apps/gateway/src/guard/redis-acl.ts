/** Rights in Redis: what the guard's user needs, and no more. */

/**
 * What an ACL user of the guard may do: the rules of `ACL SETUSER`, without name and password. Of the sentinels it needs
 * `SENTINEL_ACL`.
 */
export const REDIS_ACL = [
  '~{*}:*',
  '~gw:*',
  'resetchannels',
  '-@all',
  ...'eval evalsha script|load info ping role hello auth hmget hset hget hdel hlen smismember sadd pexpire pttl'.split(
    ' ',
  ),
  ...'unlink rpush lpop lindex set get exists cluster|slots cluster|shards asking'.split(' '),
].map((rule) => (/^[a-z]/u.test(rule) && rule !== 'resetchannels' ? `+${rule}` : rule));

export const SENTINEL_ACL = [
  'resetchannels',
  '-@all',
  '+hello',
  '+auth',
  '+ping',
  '+sentinel|get-master-addr-by-name',
];
