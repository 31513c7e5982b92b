#!/usr/bin/env bash
# Trains over two hosts (two_hosts.sh), compares the model with that of threads, stops a run by a signal
# to a rank on the second host, then kills a rank there, freezes one, and freezes the whole host. At last the
# second host dies in a save, and the run goes on with the hosts exchanged.
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

# train RUN [OPTION...]: over both hosts, started on the first; stage 1 is on the second.
train() { train_from first second "$@"; }
train_from() {
  OMPI_MCA_plm_rsh_agent=$scratch/on "$scratch/on" "$1" "$root/launch/train" "$config" \
    --set run.mode=mpi --set "run.directory=$scratch/$3" "${@:4}" --hosts "$1:4,$2:4" \
    --interface fast0 --program "$program"
}

# The ranks on the second host.
second() {
  ip netns pids second | xargs ps -o pid=,comm= -p | awk '$2 == "stagecraft" { print $1 }'
}

# harm RUN STATUS TEXT COMMAND...: trains, gives COMMAND the ranks on the second host after step 3, and
# checks the run's status and that its board has TEXT.
harm() {
  local run=$1 expected=$2 text=$3 status=0 train harmed_at
  train "$run" --set train.steps=4000 --set run.watchdog_seconds=5 >"$scratch/out" 2>"$scratch/err" &
  train=$!
  until grep -qE '"step": ?3,' "$scratch/$run/metrics.jsonl" 2>/dev/null; do
    kill -0 "$train" 2>/dev/null || { cat "$scratch/err" && exit 1; }
    sleep 0.1
  done
  second | "${@:4}"
  harmed_at=$(date +%s.%N)
  wait "$train" || status=$?
  echo "several_hosts: $run: status $status after $(echo "$(date +%s.%N) - $harmed_at" | bc) s"
  "$program" status "$scratch/$run" | tee "$scratch/status"
  ((status == expected)) && grep -qE "$text" "$scratch/status"
}
first_of() { head -n 1 | xargs "$@"; }

make_hosts
train both
OMP_WAIT_POLICY=passive "$program" train "$config" --set "run.directory=$scratch/threads"
cmp "$scratch/both/model/model.safetensors" "$scratch/threads/model/model.safetensors"
echo "several_hosts: the model has the bits of threads"

harm stopped 75 'Every rank has ended normally' first_of kill -USR1
harm killed 1 'First cause, .*stage 1, rank ' first_of kill -KILL
harm frozen 1 'First cause, .*stage 1, rank .*no heartbeat' first_of kill -STOP
harm frozen_host 1 'First cause, .*stage 1, rank 4.*its host cut off' xargs kill -STOP

# Kills all ranks of the second host when a file of the second save is there.
saving=(--set train.steps=12 --set checkpoint.every=3)
train saved "${saving[@]}" >"$scratch/out" 2>"$scratch/err" &
train=$!
until ls "$scratch"/saved/checkpoints/step-6.unfinished/rank-* >/dev/null 2>&1; do
  kill -0 "$train" 2>/dev/null || { cat "$scratch/err" && exit 1; }
done
second | xargs kill -KILL
! wait "$train"
# The first host's claim ends a minute after it was last touched; until then the run is refused.
refused=0
until train_from second first saved "${saving[@]}" >"$scratch/out" 2>"$scratch/err"; do
  grep -q 'is held by' "$scratch/err" && ((++refused < 30)) || { cat "$scratch/err" && exit 1; }
  sleep 5
done
echo "several_hosts: the other host was refused $refused times, then: $(head -n 1 "$scratch/out")"
grep -q 'goes on from its checkpoint of step' "$scratch/out"
OMP_WAIT_POLICY=passive "$program" train "$config" --set "run.directory=$scratch/whole" --set train.steps=12
cmp "$scratch/saved/model/model.safetensors" "$scratch/whole/model/model.safetensors"
echo "several_hosts: the run went on with the hosts exchanged, with the bits of threads"
