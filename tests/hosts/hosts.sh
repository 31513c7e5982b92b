# Sourced: hosts on one machine: network namespaces, a host name each, a network between them. As root;
# needs iproute2. Sets root, scratch and hosts; make_hosts makes them, and what is left of them at the
# script's end is removed.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
scratch=$(mktemp -d)
hosts=(first second third)

clean_up() {
  for host in "${hosts[@]}"; do
    ip netns pids "$host" 2>/dev/null | xargs -r kill -KILL || true
    ip netns delete "$host" 2>/dev/null || true
    rm -rf "/etc/netns/$host"
  done
  rm -rf "$scratch"
}
trap clean_up EXIT

# The first host is the switch: its fast0 is a bridge.
make_hosts() {
  local number=0 host
  for host in "${hosts[@]}"; do
    ip netns add "$host"
    mkdir -p "/etc/netns/$host"
    printf '127.0.0.1 localhost\n10.9.0.1 first\n10.9.0.2 second\n10.9.0.3 third\n' \
      >"/etc/netns/$host/hosts"
  done
  ip -n first link add fast0 type bridge
  for host in "${hosts[@]:1}"; do
    ip -n first link add "to-$host" type veth peer name fast0 netns "$host"
    ip -n first link set "to-$host" master fast0 up
  done
  for host in "${hosts[@]}"; do
    ip -n "$host" address add "10.9.0.$((++number))/24" dev fast0
    ip -n "$host" link set lo up
    ip -n "$host" link set fast0 up
  done
}

# on HOST COMMAND: what ssh would do. A host of which $scratch/dead-HOST is there does not answer; the
# folders that $scratch/private-HOST names are the host's own.
cat >"$scratch/on" <<'EOF'
#!/usr/bin/env bash
host=$1 && shift
scratch=$(dirname "$0")
[[ ! -e $scratch/dead-$host ]] || exit 255
private=$(cat "$scratch/private-$host" 2>/dev/null)
exec ip netns exec "$host" unshare --uts bash -c "hostname $host
  for folder in $private; do mount -t tmpfs none \$folder; done
  exec bash -c \"\$0\"" "$*"
EOF
chmod +x "$scratch/on"
