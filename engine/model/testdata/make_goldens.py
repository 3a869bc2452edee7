#!/usr/bin/env python3
"""Render every conversation with every template, by Jinja2 itself, and keep the results.

The templates in ../templates/ state the rules of the official ones (without tools) in words of their own.
Run with Debian's python3-jinja2 from this folder:  python3 make_goldens.py
Then pack them into the program: go test ./engine/model -run Packed -update
With names and files it writes nothing, and says where a publisher's text renders something else than ours:
python3 make_goldens.py smollm3=FILE ...
"""

import datetime
import json
import pathlib
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from conversations import CONVERSATIONS

HERE = pathlib.Path(__file__).parent
TOKENS = {
    "phi-3.5": {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
    "llama-3.1": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "llama-3.2": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral-v0.3": {"bos_token": "<s>", "eos_token": "</s>"},
    "gemma-2": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "gemma-3": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "gemma-4": {"bos_token": "<bos>", "eos_token": "<turn|>"},
    "gemma-4-e": {"bos_token": "<bos>", "eos_token": "<turn|>"},
    "mistral-small-3.2": {"bos_token": "<s>", "eos_token": "</s>"},
    "gpt-oss": {"bos_token": "", "eos_token": "<|return|>"},
    "phi-4": {"bos_token": "", "eos_token": "<|im_end|>"},
    "phi-4-mini": {"bos_token": "", "eos_token": "<|endoftext|>"},
    "granite-4.0": {"bos_token": "", "eos_token": "<|end_of_text|>"},
    "granite-4.1": {"bos_token": "", "eos_token": "<|end_of_text|>"},
    "deepseek-r1-distill": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
}
NOW = datetime.datetime(2026, 3, 9, 14, 5, 6)
VARIANTS = {
    "answer": {"add_generation_prompt": True},
    "closed": {"add_generation_prompt": False},
    "no_think": {"add_generation_prompt": True, "enable_thinking": False},
}
# What only some templates know.
THINK = {"think": {"add_generation_prompt": True, "enable_thinking": True}}
OTHERS = {
    "gemma-4": THINK,
    "gemma-4-e": THINK,
    "gpt-oss": {"high": {"add_generation_prompt": True, "reasoning_effort": "high"}},
}


class Raised(Exception):
    pass


def raise_exception(message):
    raise Raised(message)


def render(template, name, messages, variant):
    tokens = TOKENS.get(name, {"bos_token": "", "eos_token": "<|im_end|>"})
    try:
        return {"text": template.render(messages=messages, **tokens, **variant)}
    except Raised as e:
        return {"error": str(e)}


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


def conversations():
    return {k: [{"role": r, "content": t} for r, t in v] for k, v in CONVERSATIONS.items()}


def goldens(name, text):
    for tag in ("{% generation %}", "{% endgeneration %}"):  # Hugging Face marks answers with it; it prints nothing
        text = text.replace(tag, tag.replace("%", "#"))
    template = environment().from_string(text)
    return {
        f"{key}/{variant}": render(template, name, messages, options)
        for key, messages in conversations().items()
        for variant, options in {**VARIANTS, **OTHERS.get(name, {})}.items()
    }


def ours(name):
    return (HERE.parent / "templates" / f"{name}.jinja").read_text(encoding="utf-8")


def compare(name, file):
    want = goldens(name, pathlib.Path(file).read_text(encoding="utf-8"))
    got = goldens(name, ours(name))
    wrong = [k for k in want if got[k] != want[k] and not ("error" in got[k] and "error" in want[k])]
    for key in wrong:
        print(f"{name}, {key}:\n  publisher {want[key]!r}\n  ours      {got[key]!r}")
    print(f"{name}: {len(want) - len(wrong)} of {len(want)} are as its publisher's")
    return not wrong


def main():
    if len(sys.argv) > 1:
        sys.exit(not all([compare(*pair.split("=", 1)) for pair in sys.argv[1:]]))
    dump(HERE.parent / "goldens" / "conversations.json", conversations())
    for path in sorted((HERE.parent / "templates").glob("*.jinja")):
        out = {"jinja2": jinja2.__version__, **TOKENS.get(path.stem, {}), "goldens": goldens(path.stem, ours(path.stem))}
        dump(HERE.parent / "goldens" / f"{path.stem}.json", out)


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
