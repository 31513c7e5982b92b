# Sourced: two hosts on one machine: network namespaces, a host name each, a pair of interfaces between
# them. As root; needs iproute2. Sets root, scratch and hosts; make_hosts makes them, and what is left
# of them at the script's end is removed.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
scratch=$(mktemp -d)
hosts=(first second)

clean_up() {
  for host in "${hosts[@]}"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -KILL || true
    ip netns delete "$host" 2>/dev/null || true
    rm -rf "/etc/netns/$host"
  done
  rm -rf "$scratch"
}
trap clean_up EXIT

make_hosts() {
  local number=0 host
  for host in "${hosts[@]}"; do
    ip netns add "$host"
    mkdir -p "/etc/netns/$host"
    printf '127.0.0.1 localhost\n10.9.0.1 first\n10.9.0.2 second\n' >"/etc/netns/$host/hosts"
  done
  ip -n first link add fast0 type veth peer name fast0 netns second
  for host in "${hosts[@]}"; do
    ip -n "$host" address add "10.9.0.$((++number))/24" dev fast0
    ip -n "$host" link set lo up
    ip -n "$host" link set fast0 up
  done
}

# on HOST COMMAND: what ssh would do.
cat >"$scratch/on" <<'EOF'
#!/usr/bin/env bash
host=$1 && shift
exec ip netns exec "$host" unshare --uts bash -c "hostname $host && exec bash -c \"\$0\"" "$*"
EOF
chmod +x "$scratch/on"
