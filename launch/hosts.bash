# Sourced by launch/train: what it asks the hosts of a run before their ranks start, by the mpirun that
# starts them. Uses `say`, `reach`, `hosts`, `ranks` and `shared` of launch/train.

# Sets `status` to that of a process. A signal interrupts `wait` while it still runs, so waits again.
# Called without stderr, because bash would report there how its child was killed.
await_process() {
  while wait "$1" && status=0 || status=$?; ((status > 128)) && kill -0 "$1" 2>/dev/null; do
    :
  done
  # If it ended while a signal was handled, its status is still available.
  local last=0
  wait "$1" || last=$?
  ((last == 127)) || status=$last
}

# Prints the innermost folder of a path that is there.
nearest_folder() {
  local folder=$1
  until [[ -d $folder ]]; do folder=$(dirname "$folder"); done
  echo "$folder"
}

# Run on every host: names the folders of the files that the host does not see. A file that another
# host has just made may show late.
unseen_files='for file; do
  until [[ -e $file ]] || ((SECONDS >= 5)); do sleep 0.1; done
  [[ -e $file ]] || echo "${file%/*} is not shared by host $(uname -n)"
done'

# Refuses directories that not every host sees: ranks there would write checkpoints that nobody finds.
check_sharing() {
  local folder file files=() answers status=0
  ((${#shared[@]} > 0)) || return 0
  for folder in "${shared[@]}"; do
    file=$(mktemp "$(nearest_folder "$folder")/.claim-shared-XXXXXX") || exit 2
    files+=("$file")
  done
  answers=$(timeout --foreground -k 5 60 mpirun "${reach[@]}" ${hosts:+--host "$hosts"} \
    --map-by ppr:1:node --bind-to none bash -c "$unseen_files" bash "${files[@]}" </dev/null) || status=$?
  rm -f "${files[@]}"
  ((status == 0)) || { say "mpirun starts no process on some host (status $status)" && exit 1; }
  [[ -n $answers ]] || return 0
  while read -r file; do
    say "$file: it does not see a file made there on $(uname -n)"
  done < <(sort -u <<<"$answers")
  say "put run.directory and checkpoint.directory where every host has mounted the same file system"
  exit 2
}

# Sets `answering` to the entries of --hosts on which mpirun starts a process within a deadline, and
# `slots` to their slots. Says which do not.
find_answering() {
  local entries entry i asked=() status slots_here deadline=20
  IFS=, read -ra entries <<<"$hosts"
  for entry in "${entries[@]}"; do
    timeout -k 5 "$deadline" mpirun "${reach[@]}" --host "$entry" -n 1 true </dev/null >/dev/null 2>&1 &
    asked+=($!)
  done
  answering=() slots=0
  for i in "${!entries[@]}"; do
    await_process "${asked[i]}" 2>/dev/null
    if ((status != 0)); then
      say "host ${entries[i]%%:*} is left out: mpirun starts no process there within $deadline s"
      continue
    fi
    answering+=("${entries[i]}")
    slots_here=${entries[i]#*:}
    [[ $slots_here =~ ^[0-9]+$ ]] || slots_here=1
    ((slots += slots_here)) || true
  done
}

# Before another start: of --hosts, leaves those that answer. Fails if they are too few.
choose_hosts() {
  local answering slots
  [[ -n $hosts ]] || return 0
  find_answering
  if ((slots < ranks)); then
    say "the hosts that answer have $slots slots and the run needs $ranks, so it is not started again"
    return 1
  fi
  hosts=$(IFS=, && echo "${answering[*]}")
}
