#!/usr/bin/env bash
# Two hosts on one machine: network namespaces, a host name each, a pair of interfaces between them.
# Trains over both, compares the model with that of threads, then kills a rank on the second host.
#   tests/hosts/several_hosts.sh [CONFIG]       as root; needs iproute2. Run by hand.
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
config=${1:-$root/examples/hybrid/hybrid.toml}
program=$("$root/launch/build" stagecraft | tail -n 1)
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

# train RUN: over both hosts; stage 1 is on the second.
train() {
  OMPI_MCA_plm_rsh_agent=$scratch/on "$scratch/on" first "$root/launch/train" "$config" \
    --set run.mode=mpi --set "run.directory=$scratch/$1" --hosts first:4,second:4 \
    --interface fast0 --program "$program"
}

make_hosts
train both
OMP_WAIT_POLICY=passive "$program" train "$config" --set "run.directory=$scratch/threads"
cmp "$scratch/both/model/model.safetensors" "$scratch/threads/model/model.safetensors"
echo "several_hosts: the model has the bits of threads"

train killed >"$scratch/out" 2>"$scratch/err" &
run=$!
until grep -qE '"step": ?3,' "$scratch/killed/metrics.jsonl" 2>/dev/null; do
  kill -0 "$run" 2>/dev/null || { cat "$scratch/err" && exit 1; }
  sleep 0.1
done
ip netns pids second | xargs ps -o pid=,comm= -p | awk '$2 == "stagecraft" { print $1; exit }' |
  xargs kill -KILL
killed_at=$(date +%s.%N)
status=0 && wait "$run" || status=$?
echo "several_hosts: after a SIGKILL on the second host status $status in" \
  "$(echo "$(date +%s.%N) - $killed_at" | bc) s"
cat "$scratch/err"
((status == 1)) && grep -q 'First cause' "$scratch/err"
