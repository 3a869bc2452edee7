#!/usr/bin/env python3
"""Render every conversation with every template, by Jinja2 itself, and keep the results.

The templates in ../templates/ state the rules of the official ones (without tools) in words of their own.
Run with Debian's python3-jinja2 from this folder:  python3 make_goldens.py
"""

import datetime
import json
import pathlib

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
OTHERS = {
    "gemma-4": {"think": {"add_generation_prompt": True, "enable_thinking": True}},
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


def main():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    conversations = {k: [{"role": r, "content": t} for r, t in v] for k, v in CONVERSATIONS.items()}
    dump(HERE.parent / "goldens" / "conversations.json", conversations)
    for path in sorted((HERE.parent / "templates").glob("*.jinja")):
        template = env.from_string(path.read_text(encoding="utf-8"))
        out = {}
        for key, messages in conversations.items():
            for variant, options in {**VARIANTS, **OTHERS.get(path.stem, {})}.items():
                out[f"{key}/{variant}"] = render(template, path.stem, messages, options)
        dump(HERE.parent / "goldens" / f"{path.stem}.json", {"jinja2": jinja2.__version__, **TOKENS.get(path.stem, {}), "goldens": out})


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
