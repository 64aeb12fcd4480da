"""What the server does in one step, as Lua.

A claimed message is kept as stock kombu keeps it: its text in the hash ``unacked`` as
``[message, exchange, routing key]`` and the time of its claim in the sorted set ``unacked_index``,
both under its delivery tag (`kombu.transport.redis.QoS`). Stock workers and these can therefore
share a queue and restore each other's messages.

No server takes back what a script has done before one of its commands fails: a key of another type,
a right that the account has lost. So what takes a message from one place has put it into the other
before, or puts it back. And a command that needs no memory is the first: a script that has written
goes on when the server is full.

The time is the server's own: with leases of seconds, the clocks of the workers must not matter.
"""

from string import Template
from typing import Final

from tilefleet import wire

#: Acknowledge, then claim.
#:
#: KEYS: unacked, unacked_index, then the lists to take from, in order of importance.
#: ARGV: 1 prefix of the new tags, 2 number before the first of them, 3 most to claim,
#: 4 most to claim from all lists but the first few, 5 how many these few are, 6 bytes after which
#: no further one is claimed, 7 how many may be claimed on top of a long list, 8 the share of a list
#: that this is at most, with the others of it, then for each list what follows the message in its
#: record, then the tags to acknowledge.
#: Returns the server's time in seconds, then a flat array: index of a list (from 1), message, … The
#: n-th one's tag is prefix + number.
#: The index is negative for what was claimed on top.
#: A last single 0 says that the bytes were reached: there may be more.
#:
#: A body that is beside its message counts by the size that this tells.
#:
#: The lists that have no more are looked at once again by a reading command: that makes the server
#: tell a connection with tracking when one of them changes. Where the account may not read them,
#: they are looked at every second.
EXCHANGE: Final = Template("""
local lists = #KEYS - 2
for first = 9 + lists, #ARGV, 1000 do
  local last = math.min(first + 999, #ARGV)
  redis.call('HDEL', KEYS[1], unpack(ARGV, first, last))
  redis.call('ZREM', KEYS[2], unpack(ARGV, first, last))
end
local number, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local most_of_rest, few = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local bytes, on_top, share = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local claimed, empty = {now}, {}
for list = 1, lists do
  local wanted = most
  if list > few then wanted = math.min(most, most_of_rest) end
  local sure, found = wanted, 0
  if sure > 0 and on_top > 0 then
    -- Before anything is popped: it is not for being told of changes.
    local waiting = redis.call('LLEN', KEYS[list + 2])
    wanted = math.max(sure, math.min(sure + on_top, math.floor(waiting * share)))
  end
  while found < wanted and bytes > 0 do
    local message = redis.call('RPOP', KEYS[list + 2])
    if not message then
      empty[#empty + 1] = KEYS[list + 2]
      break
    end
    number = number + 1
    local tag = ARGV[1] .. string.format('%d', number)
    local kept = redis.pcall('HSET', KEYS[1], tag, '[' .. message .. ARGV[list + 8])
    if type(kept) == 'number' then kept = redis.pcall('ZADD', KEYS[2], now, tag) end
    if type(kept) ~= 'number' then
      redis.call('RPUSH', KEYS[list + 2], message)
      redis.pcall('HDEL', KEYS[1], tag)
      return kept
    end
    found = found + 1
    claimed[#claimed + 1] = found > sure and -list or list
    claimed[#claimed + 1] = message
    local beside = #message <= ${most} and string.match(message, '"${stored}": ?(%d+)')
    bytes = bytes - #message - (tonumber(beside) or 0)
  end
  on_top = on_top - math.max(0, found - sure)
  found = math.min(found, sure)
  most = most - found
  if list > few then most_of_rest = most_of_rest - found end
end
if bytes <= 0 then claimed[#claimed + 1] = 0 end
if #empty > 0 then redis.pcall('EXISTS', unpack(empty)) end
return claimed
""").substitute(most=wire.MOST_BESIDE_BYTES, stored=wire.STORED)

#: Give claimed messages back until they are due: nobody holds them, and their leases end then.
#:
#: KEYS: unacked, unacked_index. ARGV: 1 lease in seconds, then for each message: tag, what its list
#: has behind its queue's name, Unix time when it is due. Their new tags begin with ``later:``;
#: stock workers give back what has such a tag as they do with any other.
PARK: Final = """
for argument = 2, #ARGV, 3 do
  local tag = ARGV[argument]
  local record = redis.call('HGET', KEYS[1], tag)
  if record then
    local later = 'later:' .. ARGV[argument + 1] .. '\\n' .. tag
    redis.call('HDEL', KEYS[1], later)
    redis.call('ZADD', KEYS[2], ARGV[argument + 2] - ARGV[1], later)
    redis.call('HSET', KEYS[1], later, record)
    redis.call('HDEL', KEYS[1], tag)
    redis.call('ZREM', KEYS[2], tag)
  end
end
"""

#: Claimed messages of our queues whose lease has ended; what was parked joins its queue, as if it
#: were sent now.
#:
#: Other applications keep theirs in the same two keys, for as long as their own leases last: those
#: are passed over. A record ends with its routing key, which is the name of its queue.
#:
#: KEYS: unacked, unacked_index. ARGV: 1 lease in seconds, 2 most to return, 3 how many of the
#: oldest to pass over, 4 most to look at, 5 what is in front of every key, then the ends of our
#: records: ``"captcha"]``.
#: Returns the time before which they were claimed, how many to pass over the next time (those of
#: others, or 0 at the end), why what was parked could not join its queue (empty: it could; it is
#: tried again after a lease), then a flat array: tag, record, …
OVERDUE: Final = """
local time = redis.call('TIME')
local before = string.format('%d', time[1] - ARGV[1]) .. '.' .. string.format('%06d', time[2])
local skip, most, looks = tonumber(ARGV[3]), 2 * tonumber(ARGV[2]), tonumber(ARGV[4])
local tags = redis.call('ZRANGE', KEYS[2], '-inf', before, 'BYSCORE', 'LIMIT', skip, looks)
local found, others, refused = {}, skip, ''
for number, tag in ipairs(tags) do
  if #found >= most then break end
  local record = redis.call('HGET', KEYS[1], tag)
  local ours = false
  for argument = 6, #ARGV do
    ours = ours or (record and record:sub(-#ARGV[argument]) == ARGV[argument])
  end
  local behind, message, queue = string.match(tag, '^later:(.-)\\n')
  if ours and behind then
    message, queue = string.match(record, '^%[(.*), "", "([^"\\\\]*)"%]$')
  end
  if message then
    redis.call('HDEL', KEYS[1], '')
    local joined = redis.pcall('LPUSH', ARGV[5] .. queue .. behind, message)
    if type(joined) ~= 'number' then
      refused = joined.err
      redis.call('ZADD', KEYS[2], time[1], tag)
    else
      redis.call('HDEL', KEYS[1], tag)
      redis.call('ZREM', KEYS[2], tag)
    end
  elseif ours then
    found[#found + 1] = tag
    found[#found + 1] = record
  elseif not record then
    -- Nothing is left of it.
    redis.call('ZREM', KEYS[2], tag)
  else
    others = others + 1
  end
end
if #tags < looks and #found < most then others = 0 end
return {before, others, refused, unpack(found)}
"""

#: Put claimed messages back, each once, however many ask for it.
#:
#: KEYS: unacked, unacked_index, then for each message the lists it goes to.
#: ARGV: 1 RPUSH to make it the next one, LPUSH the last, 2 only what was claimed before this time,
#: then for each message: tag, text, number of lists. Returns how many were put back, and why others
#: could not be (empty: all could): they stay claimed for another lease.
RESTORE: Final = """
local key, restored, refused = 3, 0, ''
local now = redis.call('TIME')[1]
-- Who may not forget a record puts nothing back: it would stay behind.
redis.call('HDEL', KEYS[1], '')
for argument = 3, #ARGV, 3 do
  local tag, lists = ARGV[argument], tonumber(ARGV[argument + 2])
  local claimed = redis.call('ZSCORE', KEYS[2], tag)
  if claimed and tonumber(claimed) <= tonumber(ARGV[2]) then
    -- What has no record any more was acknowledged meanwhile.
    local wanted = redis.call('HGET', KEYS[1], tag) and lists or 0
    redis.call('ZREM', KEYS[2], tag)
    local pushed = 0
    for list = key, key + wanted - 1 do
      local put = redis.pcall(ARGV[1], KEYS[list], ARGV[argument + 1])
      if type(put) == 'number' then pushed = pushed + 1 else refused = put.err end
    end
    if pushed == 0 and wanted > 0 then
      redis.call('ZADD', KEYS[2], now, tag)
    else
      redis.call('HDEL', KEYS[1], tag)
      restored = restored + math.min(wanted, 1)
    end
  end
  key = key + lists
end
return {restored, refused}
"""

#: Begin leases anew that were begun in the future: the server's clock has been set back since, and
#: whoever had these may be gone. What is parked is due by the clock, wherever that stands.
#:
#: KEYS: unacked, unacked_index. ARGV: 1 how many to pass over, 2 most to look at, then the ends of
#: our records. Returns how many were looked at, and how many of them stay as they are.
REBEGIN: Final = """
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local soon = string.format('(%d', time[1] + 1)
local tags = redis.call('ZRANGE', KEYS[2], soon, '+inf', 'BYSCORE', 'LIMIT', ARGV[1], ARGV[2])
local stay = 0
for _, tag in ipairs(tags) do
  local record = not string.find(tag, '^later:') and redis.call('HGET', KEYS[1], tag)
  local ours = false
  for argument = 3, #ARGV do
    ours = ours or (record and record:sub(-#ARGV[argument]) == ARGV[argument])
  end
  if ours then
    redis.call('ZADD', KEYS[2], 'XX', now, tag)
  else
    stay = stay + 1
  end
end
return {#tags, stay}
"""

#: Begin leases anew, of what is still claimed.
#:
#: KEYS: unacked_index. ARGV: tags.
RENEW: Final = """
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
for _, tag in ipairs(ARGV) do
  redis.call('ZADD', KEYS[1], 'XX', now, tag)
end
"""
