#!/usr/bin/env bash
# Trains over two hosts (two_hosts.sh), compares the model with that of threads, then kills a rank on the
# second host.
#   tests/hosts/several_hosts.sh [CONFIG]       as root; needs iproute2. Run by hand.
set -euo pipefail

# A closed stream becomes /dev/null: a file that is opened later must not get its number. In place of
# a closed stderr, bash has opened its script.
[[ -e /proc/self/fd/0 ]] || exec 0<>/dev/null
[[ -e /proc/self/fd/1 ]] || exec 1<>/dev/null
[[ -e /proc/self/fd/2 && ! /proc/self/fd/2 -ef $0 ]] || exec 2<>/dev/null

. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/two_hosts.sh"
config=${1:-$root/examples/hybrid/hybrid.toml}
program=$("$root/launch/build" stagecraft | tail -n 1)

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
