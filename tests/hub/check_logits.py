"""Does the hub's library read what a run wrote, and does it compute the same function?

    python3 -m venv venv
    venv/bin/pip install torch transformers safetensors numpy
    venv/bin/python tests/hub/check_logits.py RUN/model [--sequences 2] [--length 64]

Loads the folder with transformers' GPT2LMHeadModel.from_pretrained in float32, and compares its
logits over random tokens with GPT-2 written out below in numpy and float64, which reads the
safetensors file itself. Prints the relative difference (norm of the difference over norm of the
logits) and exits with 1 when it is above 1e-5 or when transformers had to make up a weight.
Run by hand; tried with Python 3.11, torch 2.15.0, transformers 5.23.0 and numpy 2.4.6.
"""

import argparse
import json
import math
import pathlib
import struct
import sys

import numpy as np

TOLERANCE = 1e-5


def read_safetensors(path):
    """Name, without "transformer.", to float64 array."""
    contents = path.read_bytes()
    (length,) = struct.unpack("<Q", contents[:8])
    header = json.loads(contents[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", (name, entry["dtype"])
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(contents[begin:end], dtype="<f4").astype(np.float64)
        tensors[name.removeprefix("transformer.")] = values.reshape(entry["shape"])
    return tensors


def layer_norm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight + bias


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(x, w, prefix, heads):
    batch, length, hidden = x.shape
    qkv = x @ w[prefix + "c_attn.weight"] + w[prefix + "c_attn.bias"]
    q, k, v = (
        part.reshape(batch, length, heads, hidden // heads).transpose(0, 2, 1, 3)
        for part in np.split(qkv, 3, axis=-1)
    )
    scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(hidden // heads)
    scores = np.where(np.tril(np.ones((length, length), dtype=bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    joined = (weights @ v).transpose(0, 2, 1, 3).reshape(batch, length, hidden)
    return joined @ w[prefix + "c_proj.weight"] + w[prefix + "c_proj.bias"]


def gpt2(w, tokens, layers, heads):
    """Logits (batch, length, vocabulary) of GPT-2 (Radford et al. 2019) in float64."""
    x = w["wte.weight"][tokens] + w["wpe.weight"][: tokens.shape[1]]
    for i in range(layers):
        p = f"h.{i}."
        normed = layer_norm(x, w[p + "ln_1.weight"], w[p + "ln_1.bias"])
        x = x + attention(normed, w, p + "attn.", heads)
        normed = layer_norm(x, w[p + "ln_2.weight"], w[p + "ln_2.bias"])
        inner = gelu(normed @ w[p + "mlp.c_fc.weight"] + w[p + "mlp.c_fc.bias"])
        x = x + inner @ w[p + "mlp.c_proj.weight"] + w[p + "mlp.c_proj.bias"]
    return layer_norm(x, w["ln_f.weight"], w["ln_f.bias"]) @ w["wte.weight"].T


def hub_logits(folder, tokens):
    import torch
    from transformers import GPT2LMHeadModel

    model, info = GPT2LMHeadModel.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
    )
    problems = {k: sorted(map(str, v)) for k, v in info.items() if k.endswith("keys") and v}
    if problems:
        sys.exit(f"transformers did not find the weights that it expects: {problems}")
    with torch.no_grad():
        return model.eval()(torch.from_numpy(tokens)).logits.double().numpy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--sequences", type=int, default=2)
    parser.add_argument("--length", type=int, default=64)
    arguments = parser.parse_args()
    config = json.loads((arguments.folder / "config.json").read_text())
    length = min(arguments.length, config["n_positions"])
    tokens = np.random.default_rng(1).integers(
        config["vocab_size"], size=(arguments.sequences, length)
    )
    weights = read_safetensors(arguments.folder / "model.safetensors")
    expected = gpt2(weights, tokens, config["n_layer"], config["n_head"])
    found = hub_logits(arguments.folder, tokens)
    difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    verdict = "ok" if difference <= TOLERANCE else "TOO LARGE"
    print(f"relative difference of logits {difference:.3g} (at most {TOLERANCE:g}): {verdict}")
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
