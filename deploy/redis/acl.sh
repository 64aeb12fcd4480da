#!/bin/sh
# Writes the server's ACL file from the template beside it.
#
#     sh acl.sh passwords > .env       new random passwords, one for each role
#     . ./.env; sh acl.sh users > users.acl && redis-server --aclfile users.acl …
#
# `users` reads REDIS_OPERATOR_PASSWORD, REDIS_WORKER_PASSWORD, REDIS_PRODUCER_PASSWORD,
# REDIS_GATEWAY_PASSWORD and REDIS_FLOWER_PASSWORD, or the files that REDIS_…_PASSWORD_FILE name;
# REDIS_DB (0) and TILEFLEET_KEY_PREFIX (none) if the fleet has others; REDIS_VERSION, if the server is
# another one than `redis-server` here. Only hashes are written.
set -eu
roles="OPERATOR WORKER PRODUCER GATEWAY FLOWER"

fail() {
    echo "acl.sh: $1" >&2
    exit 1
}

# Hexadecimal, so that it needs no escaping in a URL.
random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

passwords() {
    for role in $roles; do echo "REDIS_${role}_PASSWORD=$(random)"; done
}

password() {
    eval "text=\${REDIS_$1_PASSWORD:-} file=\${REDIS_$1_PASSWORD_FILE:-}"
    if [ -z "$text" ] && [ -n "$file" ]; then
        text=$(cat "$file") || fail "REDIS_$1_PASSWORD_FILE cannot be read"
    fi
    [ ${#text} -ge 16 ] || fail "REDIS_$1_PASSWORD has ${#text} characters; give 16 or more"
    printf %s "$text"
}

users() {
    db=${REDIS_DB:-0} prefix=${TILEFLEET_KEY_PREFIX:-}
    case $db in '' | *[!0-9]*) fail "REDIS_DB=$db is no number" ;; esac
    case $prefix in
        *[!A-Za-z0-9:._-]*) fail "TILEFLEET_KEY_PREFIX=$prefix: letters, digits and :._- only" ;;
    esac
    version=${REDIS_VERSION:-$(redis-server --version 2>/dev/null | sed 's/.* v=\([0-9.]*\).*/\1/')}
    case $version in
        # It refuses the name of a command that it does not know; clients go on without this one.
        7.0 | 7.0.*) unknown=' +client|setinfo' ;;
        *) unknown=@none@ ;;
    esac
    # Comments go, and each account becomes one line: the server knows neither.
    script="/^ *#/d; /^ *\$/d; s|@PREFIX@|$prefix|g; s|@DB@|$db|g; s/$unknown//"
    for role in $roles; do
        secret=$(password "$role")
        hash=$(printf %s "$secret" | sha256sum | cut -c 1-64)
        script="$script; s|@$role@|$hash|"
    done
    sed -e "$script" "$(dirname "$0")/users.acl" |
        awk '/^user/ { if (line) print line; line = $0; next } { sub(/^ +/, " "); line = line $0 }
             END { print line }'
}

case ${1:-} in
    passwords | users) "$1" ;;
    *) fail "give passwords or users" ;;
esac
