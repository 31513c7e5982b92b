#!/usr/bin/env bash
# Trains the same runs with two versions of stagecraft and compares the trained models byte by byte.
#   tests/bits.sh [--keep DIR] BASE [HEAD]
#       Builds two git commits (HEAD: the commit that is checked out) and runs the list "cpu" with both.
#       The builds go to a temporary folder, or to DIR/COMMIT, where a later call finds them again.
#   tests/bits.sh --programs A B --backend cpu|cuda
#       Runs the list with two executables that are built already; their modules lie in ../lib. One that lies
#       in CHECKOUT/build/release/bin is started by CHECKOUT/launch/train, where runs have processes.
# cpu:  the examples first_run, hybrid and own_schedule, and hybrid in bf16; 12 steps each.
# cuda: a small GPT, 6 steps: float32 and bf16 without and with dropout (heads of 64 numbers and 512 tokens:
#       attention of bf16 is cuDNN's), pipeline and tensor x data in threads, pipeline in processes.
# Both programs get the configurations of this checkout, with an evaluation half way and at the end.
# The numbers of metrics.jsonl that are not times have to be equal, too. A run that this host cannot do
# is skipped, and the output says why.
# Exit status: 0 all runs equal, 1 a run differs or fails, 2 bad usage.
set -euo pipefail

# A closed stream becomes /dev/null: a file that is opened later must not get its number. In place of
# a closed stderr, bash has opened its script.
[[ -e /proc/self/fd/0 ]] || exec 0<>/dev/null
[[ -e /proc/self/fd/1 ]] || exec 1<>/dev/null
[[ -e /proc/self/fd/2 && ! /proc/self/fd/2 -ef $0 ]] || exec 2<>/dev/null

export LC_ALL=C OMP_WAIT_POLICY=passive
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
run_limit=600    # seconds, of one run
build_limit=7200 # seconds, of one build
child=''
declare -A count=([equal]=0 [DIFFERS]=0 [FAILED]=0 [skipped]=0)

say() { echo "tests/bits.sh: $*" >&2; }

refuse() {
  say "$*; tests/bits.sh --help shows the usage"
  exit 2
}

parse() {
  keep='' backend='' programs=() commits=()
  while (($# > 0)); do
    case $1 in
      -h | --help) sed -n '2,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 0 ;;
      --keep)
        (($# > 1)) || refuse "--keep needs a folder"
        keep=$2 && shift 2
        ;;
      --programs)
        (($# > 2)) || refuse "--programs needs two executables"
        programs=("$2" "$3") && shift 3
        ;;
      --backend)
        [[ ${2:-} == cpu || ${2:-} == cuda ]] || refuse "--backend needs cpu or cuda"
        backend=$2 && shift 2
        ;;
      -*) refuse "unknown option $1" ;;
      *) commits+=("$1") && shift ;;
    esac
  done
}

check_usage() {
  if ((${#programs[@]} > 0)); then
    ((${#commits[@]} == 0)) || refuse "--programs takes no commit, but ${commits[0]} is given"
    [[ -z $keep ]] || refuse "--keep is for builds, and --programs builds nothing"
    [[ -n $backend ]] || refuse "--programs needs --backend cpu or --backend cuda"
  else
    ((${#commits[@]} > 0)) || refuse "a commit to compare with is missing"
    ((${#commits[@]} < 3)) || refuse "at most two commits are compared, not ${#commits[@]}"
    [[ -z $backend ]] || refuse "--backend is for --programs; commits are compared on the CPU"
  fi
  command -v python3 >/dev/null || { say "python3 is missing: apt-get install python3" && exit 2; }
}

# The child has a process group of its own.
stop_child() {
  [[ -n $child ]] || return 0
  kill -TERM -- "-$child" 2>/dev/null || kill -TERM "$child" 2>/dev/null || return 0
  for _ in {1..100}; do
    kill -0 -- "-$child" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$child" 2>/dev/null || true
}

clean_up() {
  stop_child
  rm -rf "$scratch"
}

# supervise SECONDS LOG COMMAND...: a child in the background, so that a signal ends it and this script at
# once. The status is the command's; 124 after the time limit.
supervise() {
  local status=0
  setsid timeout --kill-after=10 "$1" "${@:3}" >"$2" 2>&1 </dev/null &
  child=$!
  wait "$child" 2>/dev/null || status=$? # bash would tell how a child was killed
  child=''
  return "$status"
}

show_end() { tail -n 20 "$1" | sed 's/^/    | /'; }

# ---- Builds

find_commit() {
  git -C "$root" rev-parse --verify --quiet "$1^{commit}" ||
    refuse "$1 is no commit of $root; git fetch may get it"
}

say_if_dirty() {
  [[ -z $(git -C "$root" status --porcelain) ]] ||
    say "uncommitted changes are not compared: $head_name is commit ${commits[1]:0:12}"
}

# A folder without its final name is not complete.
check_out() {
  local folder=$1 commit=$2
  [[ ! -d $folder ]] || return 0
  rm -rf "$folder.partial"
  mkdir -p "$folder.partial"
  git -C "$root" archive "$commit" | tar -x -C "$folder.partial"
  mv "$folder.partial" "$folder"
}

# The target stagecraft alone. Without tests and benchmarks there is less to configure; where that fails,
# launch/build installs what is missing and configures.
build_in() {
  cd "$1"
  [[ -f build/release/build.ninja ]] ||
    cmake --preset release -DSTAGECRAFT_TESTS=OFF -DSTAGECRAFT_BENCHMARKS=OFF || true
  launch/build stagecraft
}

# Appends to programs.
build() {
  local folder=$builds/$1 log=$scratch/build.log
  check_out "$folder" "$1"
  say "building commit ${1:0:12} in $folder"
  export -f build_in
  if ! supervise "$build_limit" "$log" bash -euo pipefail -c "build_in ${folder@Q}"; then
    say "commit ${1:0:12} cannot be built:"
    show_end "$log" >&2
    exit 1
  fi
  programs+=("$folder/build/release/bin/stagecraft")
}

build_commits() {
  local head_name=${commits[1]:-HEAD}
  commits[0]=$(find_commit "${commits[0]}")
  commits[1]=$(find_commit "$head_name")
  say_if_dirty
  [[ ${commits[0]} != "${commits[1]}" ]] || say "both are commit ${commits[0]:0:12}"
  keep=${keep:-$scratch/builds}
  builds=$(mkdir -p "$keep" && cd "$keep" && pwd) || refuse "--keep $keep is no folder"
  build "${commits[0]}"
  build "${commits[1]}"
}

# Made absolute, and started once.
check_programs() {
  local index
  for index in 0 1; do
    [[ -f ${programs[index]} && -x ${programs[index]} ]] ||
      refuse "${programs[index]} is no executable; launch/build stagecraft builds one"
    programs[index]=$(realpath --no-symlinks "${programs[index]}")
    if ! "${programs[index]}" doctor >"$scratch/doctor.$index" 2>&1; then
      say "${programs[index]} does not start; ldd names the libraries that it misses:"
      show_end "$scratch/doctor.$index" >&2
      exit 2
    fi
  done
}

# ---- One run

report() {
  count[$2]=$((count[$2] + 1))
  printf '%-20s %-8s %s\n' "$1" "$2" "$3"
}

# What differs between two run directories: the first byte of the model with its tensor, and the first
# number of metrics.jsonl. Nothing where all is equal.
differences() {
  python3 - "$1" "$2" <<'EOF'
import itertools, json, sys

NUMBERS = ("step", "loss", "grad_norm", "learning_rate", "tokens", "validation_loss")
runs = sys.argv[1:]

def first_byte(a, b):
    offset = 0
    while True:
        x, y = a.read(1 << 20), b.read(1 << 20)
        if x != y:
            pairs = enumerate(zip(x, y))
            return offset + next((i for i, (p, q) in pairs if p != q), min(len(x), len(y)))
        if not x:
            return None
        offset += len(x)

def tensor_at(path, byte):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    for name, tensor in header.items():
        begin, end = tensor.get("data_offsets", (0, 0))
        if begin <= byte - 8 - size < end:
            return name
    return "the header" if byte < 8 + size else "the end"

# An evaluation's loss may stand in the row of its step or in a row of its own.
def metrics(run):
    steps = {}
    with open(run + "/metrics.jsonl") as file:
        for line in file:
            row = json.loads(line, parse_float=str, parse_int=str)
            steps.setdefault(row["step"], {}).update(row)
    return list(steps.values())

models = [run + "/model/model.safetensors" for run in runs]
with open(models[0], "rb") as a, open(models[1], "rb") as b:
    byte = first_byte(a, b)
found = [] if byte is None else [f"model: byte {byte} ({tensor_at(models[0], byte)})"]
for number, steps in enumerate(itertools.zip_longest(*map(metrics, runs), fillvalue={}), 1):
    key = next((key for key in NUMBERS if steps[0].get(key) != steps[1].get(key)), None)
    if key is not None:
        found.append(f"step {number}: {key} {steps[0].get(key)} and {steps[1].get(key)}")
        break
print("; ".join(found))
EOF
}

# The launch/train of the checkout in whose build/release/bin the program lies, if it does, since the two
# belong together; else that of this checkout.
launcher_of() {
  local own=${1%/build/release/bin/*}/launch/train
  [[ $1 == */build/release/bin/* && -x $own ]] || own=$root/launch/train
  echo "$own"
}

# train INDEX DIRECTORY CONFIG WORDS...: with program INDEX, its output in DIRECTORY.log.
train() {
  local program=${programs[$1]}
  local command=("$program" train)
  [[ " ${*:4} " != *" run.mode=mpi "* ]] || command=("$(launcher_of "$program")" --program "$program")
  supervise "$run_limit" "$2.log" "${command[@]}" "${@:3}" --set "run.directory=\"$2\""
}

# compare NAME CONFIG WORDS...
compare() {
  local name=$1 index status where
  for index in 0 1; do
    status=0
    train "$index" "$scratch/$name.$index" "${@:2}" || status=$?
    if ((status != 0)); then
      report "$name" FAILED "${labels[index]}, status $status$( ((status != 124)) || echo ': too slow')"
      show_end "$scratch/$name.$index.log"
      return 0
    fi
  done
  local models=("$scratch/$name".{0,1}/model/model.safetensors)
  if ! where=$(differences "$scratch/$name".{0,1} 2>&1); then
    report "$name" FAILED "the run directories cannot be compared: ${where##*$'\n'}"
  elif [[ -z $where ]] && cmp --silent "${models[@]}"; then
    report "$name" equal "$(sha256sum "${models[0]}" | head -c 16)"
  else
    report "$name" DIFFERS "$where"
  fi
  rm -rf "$scratch/$name".{0,1}
}

# accepts INDEX CONFIG WORDS...: whether this program would start this run; if not, scratch/reason says why.
accepts() {
  "${programs[$1]}" check --launch "${@:2}" --set "run.directory=\"$scratch/trial\"" >"$scratch/reason" 2>&1
}

# As compare, but skipped where both programs refuse it on this host.
compare_if_accepted() {
  if accepts 0 "${@:2}" || accepts 1 "${@:2}"; then
    compare "$@"
  else
    report "$1" skipped "$(head -n 1 "$scratch/reason")"
  fi
}

# ---- The lists

compare_on_cpu() {
  local examples=$root/examples name
  local words=(--set device.backend=cpu --set train.steps=12 --set train.warmup_steps=3
    --set train.eval_every=6)
  for name in first_run hybrid own_schedule; do
    compare "$name" "$examples/$name/$name.toml" "${words[@]}"
  done
  compare_if_accepted hybrid_bf16 "$examples/hybrid/hybrid.toml" "${words[@]}" --set train.precision=bf16
}

# The same text on every host and for every commit.
write_text() {
  python3 - >"$1" <<'EOF'
import random

draw = random.Random(17).random
letters = [chr(33 + int(94 * draw())) for _ in range(1200)]
words = ["".join(letters[i : i + 2 + i % 7]) for i in range(0, 1200, 6)]
for _ in range(4000):
    print(*(words[int(len(words) * draw() ** 2)] for _ in range(10)))
EOF
}

# Products of the feed-forward layers have more than 4 GFLOP, so that their algorithm is chosen by trial;
# those of attention have fewer.
write_gpu_config() {
  write_text "$scratch/text.txt"
  cat >"$1" <<EOF
[model]
family = "gpt"
layers = 4
hidden = 512
heads = 8
sequence = 512

[train]
steps = 6
global_batch = 16
micro_batch = 4
learning_rate = 1e-3
warmup_steps = 2
eval_every = 3

[data]
train = ["$scratch/text.txt"]

[device]
backend = "cuda"
EOF
}

check_gpus() {
  local index
  for index in 0 1; do
    if ! accepts "$index" "$1"; then
      say "${labels[index]} cannot run on a GPU here:"
      show_end "$scratch/reason" >&2
      exit 2
    fi
    grep -q 'cuDNN [0-9]' "$scratch/doctor.$index" ||
      say "${labels[index]} has no cuDNN here: bf16 runs use the program's own attention kernel"
  done
}

compare_processes() {
  local words=("${@:2}" --set run.mode=mpi)
  if ! command -v mpirun >/dev/null; then
    report "$1" skipped "mpirun is missing: apt-get install openmpi-bin"
    return 0
  fi
  accepts 0 "${words[@]}" && accepts 1 "${words[@]}" || words+=(--share-gpu)
  compare_if_accepted "$1" "${words[@]}"
}

compare_on_cuda() {
  local config=$scratch/gpu.toml
  local bf16=(--set train.precision=bf16) dropout=(--set model.dropout=0.1)
  local pipeline=(--set parallel.pipeline=2)
  write_gpu_config "$config"
  check_gpus "$config"
  compare float32 "$config"
  compare float32_dropout "$config" "${dropout[@]}"
  compare bf16 "$config" "${bf16[@]}"
  compare bf16_dropout "$config" "${bf16[@]}" "${dropout[@]}"
  compare tensor_data_threads "$config" "${bf16[@]}" "${dropout[@]}" \
    --set parallel.tensor=2 --set parallel.data=2
  compare pipeline_threads "$config" "${bf16[@]}" "${dropout[@]}" "${pipeline[@]}"
  compare_processes pipeline_processes "$config" "${bf16[@]}" "${dropout[@]}" "${pipeline[@]}"
}

parse "$@"
check_usage
scratch=$(mktemp -d "${TMPDIR:-/tmp}/stagecraft-bits-XXXXXX")
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if ((${#programs[@]} > 0)); then
  labels=("A (${programs[0]})" "B (${programs[1]})")
else
  build_commits
  labels=("commit ${commits[0]:0:12}" "commit ${commits[1]:0:12}")
fi
check_programs
"compare_on_${backend:-cpu}"
echo "${count[equal]} equal, ${count[DIFFERS]} differ, ${count[FAILED]} failed, ${count[skipped]} skipped"
((count[DIFFERS] + count[FAILED] == 0))
