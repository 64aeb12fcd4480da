"""Every form of URL that Celery takes for a server of ours, and what it says."""

LOCAL = ("127.0.0.1", 6379)

#: URL → where its servers are, user, password, database.
FORMS = {
    "redis://": ([LOCAL], "", "", 0),
    "redis://host": ([("host", 6379)], "", "", 0),
    "redis://host:7000/3": ([("host", 7000)], "", "", 3),
    "redis:///2": ([LOCAL], "", "", 2),
    "redis://host?db=4": ([("host", 6379)], "", "", 4),
    "redis://:secret@host/1": ([("host", 6379)], "", "secret", 1),
    "redis://me:secret@host/1": ([("host", 6379)], "me", "secret", 1),
    "redis://m%40e:a%2Fb%3Ac%40d%25%3B@host/1": ([("host", 6379)], "m@e", "a/b:c@d%;", 1),
    "redis://host/1?password=s%26t": ([("host", 6379)], "", "s&t", 1),
    "redis://[::1]:7000/5": ([("::1", 7000)], "", "", 5),
    "rediss://me:secret@host/1": ([("host", 6379)], "me", "secret", 1),
    "redis+socket:///run/redis.sock": (["/run/redis.sock"], "", "", 0),
    "redis+socket:///run/redis.sock?virtual_host=6": (["/run/redis.sock"], "", "", 6),
    "redis+socket://me:s%40t@/run/redis.sock?db=6": (["/run/redis.sock"], "me", "s@t", 6),
    "redis://a/1;redis://b:7000/1": ([("a", 6379), ("b", 7000)], "", "", 1),
    "redis://me:p%3Bq@a/1;redis://me:p%3Bq@b/1": ([("a", 6379), ("b", 6379)], "me", "p;q", 1),
    "redis://host/2?socket_timeout=3&max_connections=9": ([("host", 6379)], "", "", 2),
    "REDIS://host/2": ([("host", 6379)], "", "", 2),
    "sentinel://a": ([("a", 26379)], "", "", 0),
    "sentinel://me:secret@a:1/7": ([("a", 1)], "me", "secret", 7),
    "sentinel://a:1;sentinel://:secret@b:2/7": ([("a", 1), ("b", 2)], "", "secret", 7),
}
