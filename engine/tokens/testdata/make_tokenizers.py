#!/usr/bin/env python3
"""Make small tokenizers of both kinds, and the tokens that others find with them.

The byte-level one is trained and applied here, by the plainest algorithm there is. The other is
trained and applied by SentencePiece itself and only written down as a tokenizer.json.
Run with Debian's python3-regex and python3-sentencepiece from this folder:  python3 make_tokenizers.py
"""

import collections
import io
import json
import pathlib

import regex
import sentencepiece

HERE = pathlib.Path(__file__).parent
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<|begin|>", "<|end|>", "<|end_of_text|>"]


def byte_names():
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names, extra = {}, 0
    for b in range(256):
        if b in plain:
            names[b] = chr(b)
        else:
            names[b] = chr(0x100 + extra)
            extra += 1
    return names


NAMES = byte_names()


def spell(piece):
    return [NAMES[b] for b in piece.encode("utf-8")]


def train(text, count):
    words = collections.Counter(tuple(spell(p)) for p in regex.findall(PATTERN, text))
    merges = []
    for _ in range(count):
        pairs = collections.Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        words = collections.Counter({tuple(join(word, best)): n for word, n in words.items()})
    return merges


def join(word, pair):
    out, i = [], 0
    while i < len(word):
        if tuple(word[i : i + 2]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def encode(text, vocab, merges):
    ranks = {m: i for i, m in enumerate(merges)}
    ids = []
    for part in regex.split("(" + "|".join(map(regex.escape, sorted(SPECIAL, key=len, reverse=True))) + ")", text):
        if part in SPECIAL:
            ids.append(vocab_size(vocab) + SPECIAL.index(part))
            continue
        for piece in regex.findall(PATTERN, part):
            word = spell(piece)
            while True:
                found = [(ranks[p], i) for i, p in enumerate(zip(word, word[1:])) if p in ranks]
                if not found:
                    break
                _, i = min(found)
                word[i : i + 2] = [word[i] + word[i + 1]]
            ids += [vocab[w] for w in word]
    return ids


def vocab_size(vocab):
    return len(vocab)


def bytewise(corpus, texts):
    merges = train(corpus, 400)
    vocab = {NAMES[b]: b for b in range(256)}
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    tokenizer = {
        "added_tokens": [{"id": len(vocab) + i, "content": s, "special": True} for i, s in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "model": {"type": "BPE", "vocab": vocab, "merges": [f"{a} {b}" for a, b in merges]},
    }
    return {"tokenizer": tokenizer, "cases": [{"text": t, "ids": encode(t, vocab, merges)} for t in texts]}


def piecewise(corpus, texts):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus.split("\n")), model_writer=out, model_type="bpe", vocab_size=700, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.99, minloglevel=2,
        split_digits=True, allow_whitespace_only_pieces=True,
    )
    sp = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    merges = []
    for piece, i in vocab.items():
        if sp.is_byte(i) or sp.is_control(i) or sp.is_unknown(i):
            continue
        for cut in range(1, len(piece)):
            if piece[:cut] in vocab and piece[cut:] in vocab:
                merges.append((-sp.get_score(i), vocab[piece[:cut]], vocab[piece[cut:]], piece[:cut], piece[cut:]))
    merges.sort()
    tokenizer = {
        "added_tokens": [{"id": 1, "content": "<s>", "special": True}, {"id": 2, "content": "</s>", "special": True}],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
        },
        "pre_tokenizer": None,
        "model": {
            "type": "BPE", "vocab": vocab, "merges": [[m[3], m[4]] for m in merges], "byte_fallback": True, "fuse_unk": True,
            "unk_token": "<unk>",
        },
    }
    return {"tokenizer": tokenizer, "cases": [{"text": t, "ids": sp.encode(t)} for t in texts]}


def main():
    files = {p.stem: p.read_text(encoding="utf-8") for p in sorted((HERE / "texts").glob("*.txt"))}
    corpus = files["prose"] + files["code"] + files["json"]
    texts = [
        *files.values(), "Hello", " Hello", "  two  spaces ", "\n\n\tlines\r\n", "1234567 and 3.14", "it's we'LL they'd", "é à ü ß – “q”",
        "👩‍👩‍👧‍👦 👋🏽", "日本語も？", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "a" * 300 + " " * 40 + "b",
        "the the valve valves gauge", "\u00a0nbsp\u2003em\u3000wide", "ends in space ", "\ufffd",
    ]
    special = ["<|begin|>Hello<|end|>\n<|end_of_text|> x<|end", "<|begin|><|begin|>", "a <|end|>"]
    for name, value in {"bytewise": bytewise(corpus, texts + special), "piecewise": piecewise(corpus, texts)}.items():
        (HERE / "tokenizers" / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


main()
