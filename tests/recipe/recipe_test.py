#!/usr/bin/env python3
"""Does what CONTRIBUTING.md tells who adds an operation, on a copy of the sources, and trains with the result.

usage: recipe_test.py SOURCES FOLDER STAGECRAFT

FOLDER is for the copy, its build and its runs; a later call compiles what has changed since. STAGECRAFT is the
executable of SOURCES, whose MLP has GELU: the copy's has the square of relu, and has to compute something else.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

# A block of CONTRIBUTING.md: its file, the line that it goes below unless the file is new, its text.
BLOCK = re.compile(r"`([\w./]+)`, (?:a new file|below\s+`([^`]+)`):\n\n( *)```\w+\n(.*?)\n\3```\n", re.DOTALL)

# The activation's places in the MLP, where it is joined to products, and those of the square of relu.
MLP = "models/layers/mlp.cpp"
MLP_WITH_RELU = {
    '#include "models/layers/saved.h"': '#include "kernels/ops/squared_relu.h"\n#include "models/layers/saved.h"',
    "column_linear_activation_forward(context.stream, x, up_.weight, up_.bias, activation_, up,\n"
    "                                   active);":
        "column_linear_forward(context.stream, x, up_.weight, up_.bias, up);\n"
        "  squared_relu_forward(context.stream, {.x = up, .y = active});",
    "row_linear_activation_backward_input(context.stream, dy, down_.weight, activation_, up, dup);":
        "row_linear_backward_input(context.stream, dy, down_.weight, dup);\n"
        "  squared_relu_backward(context.stream, {.dy = dup, .x = up, .dx = dup});",
}

# The recipe's test alone: its list has a test of every operation.
TEST_TARGET = """
find_package(Catch2 2 REQUIRED)
add_executable(test_squared_relu tests/test_main.cpp tests/conformance/ops/squared_relu.cpp)
target_link_libraries(test_squared_relu PRIVATE stagecraft_kernels Catch2::Catch2)
"""

LIST = "kernels/ops/operations.h"
USERS_OF_LIST = {"kernels/cpu/ops/op_table.cpp", "kernels/ops/dispatch.cpp"}

CONFIGURATION = """[model]
family = "gpt"
layers = 2
hidden = 32
heads = 4
sequence = 32
[parallel]
pipeline = 2
[train]
steps = 3
global_batch = 4
micro_batch = 2
warmup_steps = 1
learning_rate = 1e-3
[data]
train = ["text.txt"]
"""


def fail(text):
    sys.exit(f"recipe: {text}")


def run(*command, **options):
    """The output of a command that has to succeed."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def sources(root):
    """Every file of the project, by its path."""
    if (root / ".git").exists():
        listed = run("git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
        paths = [Path(line) for line in listed]
    else:
        paths = [path.relative_to(root) for path in root.rglob("*")]
        paths = [path for path in paths if path.parts[0] not in ("build", "runs")]
    return {str(path): (root / path).read_bytes() for path in paths if (root / path).is_file()}


def insert_below(text, anchor, lines):
    """`lines` below the one line that begins with `anchor`, as far indented."""
    found = [i for i, line in enumerate(text) if line.lstrip().startswith(anchor)]
    if len(found) != 1:
        fail(f"{len(found)} lines begin with {anchor!r}, where CONTRIBUTING.md wants one")
    indent = text[found[0]][: -len(text[found[0]].lstrip())]
    return text[: found[0] + 1] + [indent + line for line in lines] + text[found[0] + 1:]


def apply_recipe(files):
    recipe = files["CONTRIBUTING.md"].decode()
    blocks = BLOCK.findall(recipe)
    if len(blocks) != recipe.count("```") // 2 or not blocks:
        fail(f"{len(blocks)} of {recipe.count('```') // 2} blocks of CONTRIBUTING.md name their file")
    for path, anchor, indent, block in blocks:
        lines = [line.removeprefix(indent) for line in block.split("\n")]
        if not anchor and path in files:
            fail(f"{path} is no new file")
        text = insert_below(files[path].decode().split("\n"), anchor, lines) if anchor else lines + [""]
        files[path] = "\n".join(text).encode()


def use_relu(files):
    text = files[MLP].decode()
    for before, after in MLP_WITH_RELU.items():
        if text.count(before) != 1:
            fail(f"{MLP} has {text.count(before)} times: {before}")
        text = text.replace(before, after)
    files[MLP] = text.encode()
    files["CMakeLists.txt"] += TEST_TARGET.encode()


def write(files, folder):
    """Makes `folder` hold `files` and nothing else; what is the same keeps its time."""
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in files:
            path.unlink()
    for path, content in files.items():
        target = folder / path
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def build(source, folder):
    run("cmake", "-G", "Ninja", "-S", source, "-B", folder, "-DCMAKE_CXX_FLAGS=-O1", "-DSTAGECRAFT_CUDA=off",
        "-DSTAGECRAFT_MPI=OFF", "-DSTAGECRAFT_TESTS=OFF", "-DSTAGECRAFT_BENCHMARKS=OFF")
    run("cmake", "--build", folder, "--target", "stagecraft", "test_squared_relu")


def check_dependencies(source, folder):
    """Who is compiled again when the list grows: the tables and dispatch.cpp."""
    users = set()
    for entry in run("ninja", "-C", folder, "-t", "deps").split("\n\n"):
        head, *lines = entry.split("\n")
        files = [os.path.relpath(os.path.join(folder, line.strip()), source) for line in lines]
        if "(VALID)" in head and LIST in files:
            users.add(next(file for file in files if file.endswith(".cpp")))
    if users != USERS_OF_LIST:
        fail(f"{LIST} is included for {sorted(users)}; only {sorted(USERS_OF_LIST)} should need it")


def losses(program, folder, name, precision):
    directory = folder / name
    shutil.rmtree(directory, ignore_errors=True)
    run(program, "train", "run.toml", "--plain", "--set", f'run.directory="{name}"',
        "--set", f'train.precision="{precision}"',
        "--set", 'device.backend="cpu"', cwd=folder)
    rows = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def check_training(relu, gelu, folder, precision):
    folder.mkdir(exist_ok=True)
    (folder / "run.toml").write_text(CONFIGURATION)
    (folder / "text.txt").write_text("".join(f"{i} times {i} is {i * i}. " for i in range(200)))
    found = losses(relu, folder, f"relu_{precision}", precision)
    print(f"recipe: losses in {precision}: {found}")
    near_start = abs(found[0] - math.log(256)) < 0.1  # weights are small: all 256 bytes are alike
    if len(found) != 3 or not all(map(math.isfinite, found)) or not near_start:
        fail("three finite losses, the first near log(256), were expected")
    if any(a == b for a, b in zip(found, losses(gelu, folder, f"gelu_{precision}", precision))):
        fail("the program with GELU has the same losses, so relu is not computed")
    return found


def main():
    root, folder, gelu = (Path(word).resolve() for word in sys.argv[1:])
    source, build_folder = folder / "source", folder / "build"
    files = sources(root)
    apply_recipe(files)
    use_relu(files)
    write(files, source)
    build(source, build_folder)
    check_dependencies(source, build_folder)
    run(build_folder / "bin/test_squared_relu", env={**os.environ, "STAGECRAFT_TEST_DEVICES": "cpu"}, cwd=source)
    relu = build_folder / "bin/stagecraft"
    exact = check_training(relu, gelu, folder / "runs", "float32")
    if "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        print("recipe: bf16 skipped, this processor has no avx512_bf16")
        return
    rounded = check_training(relu, gelu, folder / "runs", "bf16")
    if max(abs(a - b) for a, b in zip(exact, rounded)) > 0.02:
        fail("the losses in bf16 are not those in float32, rounded")


if __name__ == "__main__":
    main()
