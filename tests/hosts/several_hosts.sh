#!/usr/bin/env bash
# Trains over two of three hosts (hosts.sh), compares the model with that of threads, stops a run by a
# signal to a rank on the second host, then kills a rank there, freezes one, freezes the whole host and cuts
# it off. A run whose directory or checkpoints the second host does not share is refused. Then the second
# host dies in a save: a person starts the run again with the hosts exchanged, and launch/train --restarts
# does it on the hosts that answer, also when rank 0 was on the dead one.
#   tests/hosts/several_hosts.sh [CONFIG]       as root; needs iproute2. Run by hand.
set -euo pipefail

# A closed stream becomes /dev/null: a file that is opened later must not get its number. In place of
# a closed stderr, bash has opened its script.
[[ -e /proc/self/fd/0 ]] || exec 0<>/dev/null
[[ -e /proc/self/fd/1 ]] || exec 1<>/dev/null
[[ -e /proc/self/fd/2 && ! /proc/self/fd/2 -ef $0 ]] || exec 2<>/dev/null

. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/hosts.sh"
config=${1:-$root/examples/hybrid/hybrid.toml}
program=$("$root/launch/build" stagecraft | tail -n 1)

# train RUN [OPTION...]: over both hosts, started on the first; stage 1 is on the second.
train() { train_over first first:4,second:4 "$@"; }
# train_over HOST HOSTS RUN [OPTION...]: over these, started on HOST.
train_over() {
  OMPI_MCA_plm_rsh_agent=$scratch/on "$scratch/on" "$1" "$root/launch/train" "$config" \
    --set run.mode=mpi --set "run.directory=$scratch/$3" "${@:4}" --hosts "$2" \
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

# mpirun would wait for the system to give the connection up.
cut_off() { cat >/dev/null && ip -n first link set to-second down; }
harm cut_off 1 'First cause, .*stage 1, rank .*its host cut off' cut_off
grep -q 'mpirun waits for a host that does not answer' "$scratch/err"
ip netns pids second | xargs -r kill -KILL
ip -n first link set to-second up

# refused FOLDER RUN [OPTION...]: the folder is the second host's own.
refused() {
  local status=0
  echo "$1" >"$scratch/private-second"
  train "${@:2}" >"$scratch/out" 2>"$scratch/err" || status=$?
  rm "$scratch/private-second"
  cat "$scratch/err"
  ((status == 2)) && grep -q "$1.* is not shared by host second" "$scratch/err" && [[ ! -e $scratch/$2 ]]
}
mkdir "$scratch/runs" "$scratch/own"
refused "$scratch/runs" runs/one
refused "$scratch/own" apart --set "checkpoint.directory=$scratch/own"
echo "several_hosts: directories that a host does not share are refused"

# Kills everything on the second host when a rank has made its file of a save, behind a whole one.
saving=(--set train.steps=30 --set checkpoint.every=2)
die_in_save() {
  local train=$1 checkpoints=$scratch/$2/checkpoints
  until [[ -e $checkpoints/latest ]] && compgen -G "$checkpoints/*.unfinished/rank-*" >/dev/null; do
    kill -0 "$train" 2>/dev/null || { cat "$scratch/err" && exit 1; }
  done
  touch "$scratch/dead-second"
  ip netns pids second | xargs kill -KILL
}
OMP_WAIT_POLICY=passive "$program" train "$config" --set "run.directory=$scratch/whole" \
  --set train.steps=30
has_whole_bits() { cmp "$scratch/$1/model/model.safetensors" "$scratch/whole/model/model.safetensors"; }

train saved "${saving[@]}" >"$scratch/out" 2>"$scratch/err" &
train=$!
die_in_save "$train" saved
! wait "$train"
rm "$scratch/dead-second"
# The first host's claim ends a minute after it was last touched; until then the run is refused.
refused=0
until train_over second second:4,first:4 saved "${saving[@]}" >"$scratch/out" 2>"$scratch/err"; do
  grep -q 'is held by' "$scratch/err" && ((++refused < 30)) || { cat "$scratch/err" && exit 1; }
  sleep 5
done
echo "several_hosts: the other host was refused $refused times, then: $(head -n 1 "$scratch/out")"
grep -q 'goes on from its checkpoint of step' "$scratch/out"
has_whole_bits saved
echo "several_hosts: the run went on with the hosts exchanged, with the bits of threads"

# restarted RUN HOSTS: the second host dies in a save, and the rest goes on by itself.
restarted() {
  train_over first "$2" "$1" "${saving[@]}" --restarts 1 >"$scratch/out" 2>"$scratch/err" &
  local train=$!
  die_in_save "$train" "$1"
  wait "$train" || { cat "$scratch/err" && exit 1; }
  rm "$scratch/dead-second"
  cat "$scratch/err"
  grep -q 'host second is left out' "$scratch/err"
  has_whole_bits "$1"
}
restarted restarted first:4,second:4,third:4
echo "several_hosts: the run went on by itself on the hosts that answer, with the bits of threads"
# mpirun gives its own host the first ranks, if it has a part in the run.
restarted without_rank_0 second:4,third:8
grep -q "waiting for $scratch/without_rank_0, which is held by the run .* on second" "$scratch/err"
echo "several_hosts: it did also when rank 0 was on the dead host, whose claim it waited for"
