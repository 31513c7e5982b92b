#!/usr/bin/env bash
# Trains in a Slurm allocation of two nodes (hosts.sh), takes the allocation as it is, and compares
# the model with that of threads.
#   tests/hosts/slurm.sh [CONFIG]      as root; needs iproute2, munge, slurmctld, slurmd and
#                                      slurm-client. Run by hand.
set -euo pipefail

# A closed stream becomes /dev/null: a file that is opened later must not get its number. In place of
# a closed stderr, bash has opened its script.
[[ -e /proc/self/fd/0 ]] || exec 0<>/dev/null
[[ -e /proc/self/fd/1 ]] || exec 1<>/dev/null
[[ -e /proc/self/fd/2 && ! /proc/self/fd/2 -ef $0 ]] || exec 2<>/dev/null

. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/hosts.sh"
hosts=(first second)
config=${1:-$root/examples/hybrid/hybrid.toml}
program=$("$root/launch/build" stagecraft | tail -n 1)

stop_slurm() {
  pkill -KILL -F "$scratch/munged.pid" 2>/dev/null || true
  umount --lazy --recursive "$scratch/cgroup" 2>/dev/null || true
  clean_up
}
trap stop_slurm EXIT

# More CPUs a node than there may be: the ranks share what there is.
write_slurm_conf() {
  cat >"$scratch/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=first(10.9.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$scratch/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectTypeParameters=CR_Core
SelectType=select/cons_tres
SlurmdParameters=config_overrides
StateSaveLocation=$scratch/slurmctld
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdSpoolDir=$scratch/slurmd.%n
SlurmdPidFile=$scratch/slurmd.%n.pid
SlurmdLogFile=$scratch/slurmd.%n.log
NodeName=first NodeAddr=10.9.0.1 CPUs=4
NodeName=second NodeAddr=10.9.0.2 CPUs=4
PartitionName=all Nodes=ALL Default=YES State=UP
EOF
  [[ -f /sys/fs/cgroup/cgroup.controllers ]] || echo CgroupPlugin=cgroup/v1 >"$scratch/cgroup.conf"
}

start_slurm() {
  chmod 755 "$scratch"
  dd if=/dev/urandom of="$scratch/munge.key" bs=64 count=1 2>/dev/null
  chmod 600 "$scratch/munge.key"
  munged --force --key-file="$scratch/munge.key" --socket="$scratch/munge.socket" \
    --pid-file="$scratch/munged.pid" --log-file="$scratch/munged.log" --seed-file="$scratch/munge.seed"
  write_slurm_conf
  mkdir "$scratch/cgroup"
  mount --rbind /sys/fs/cgroup "$scratch/cgroup"
  mkdir -p "$scratch"/slurmctld "$scratch"/slurmd.{first,second}
  "$scratch/on" first slurmctld -f "$scratch/slurm.conf" -i
  for host in "${hosts[@]}"; do
    # A network namespace has a /sys of its own, without the control groups that slurmd asks for.
    "$scratch/on" "$host" "mount --rbind $scratch/cgroup /sys/fs/cgroup &&
      slurmd -f $scratch/slurm.conf -N $host"
  done
}

make_hosts
start_slurm
export SLURM_CONF=$scratch/slurm.conf
"$scratch/on" first salloc --quiet --nodes=2 --ntasks-per-node=4 "$root/launch/train" "$config" \
  --set run.mode=mpi --set "run.directory=$scratch/both" --interface fast0 --program "$program"
"$program" status "$scratch/both"
OMP_WAIT_POLICY=passive "$program" train "$config" --set "run.directory=$scratch/threads"
cmp "$scratch/both/model/model.safetensors" "$scratch/threads/model/model.safetensors"
echo "slurm: the model has the bits of threads"
