#!/usr/bin/env python3
"""Evaluate snippets of what chat templates use, by Jinja2 itself, and keep the results.

Run with Debian's python3-jinja2 from this folder:  python3 make_features.py
"""

import datetime
import json
import pathlib

from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGES = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": " a,b,,c "},
    {"role": "assistant", "content": "<think>\nwhy\n</think>\n\nyes é 你 \"q\" <b>"},
    {"role": "user", "content": "last"},
]
SNIPPETS = [
    "{{ messages[-1].content }}|{{ messages[-4].role }}|{{ messages[:1][-1]['role'] }}|{{ messages[-5] is defined }}",
    "{{ messages[1:]|length }} {{ messages[::-1][0].content }} {{ messages[1:-1]|map(attribute='role')|join(',') }}",
    "{{ messages[1].content.split(',') }} {{ messages[1].content.split(',', 1)|length }} {{ 'a b  c'.split() }} {{ 'x'.split('y')[-1] }}",
    "{{ messages[2].content.split('</think>')[-1].lstrip('\\n') }}",
    "{{ messages[2].content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') }}",
    "{{ messages[2].content | tojson }} {{ [1, 'x', none, true, 1.5] | tojson }} {{ {'a': 'b, c: d'} | tojson }}",
    "{{ {'a': [1, 2]} | tojson(indent=2) }}",
    "{{ 'a' if messages else 'b' }} {{ ('a' if not messages else 'b') ~ 'c' }} {{ ['x' if true else 'y', 1][0] }}",
    "{{ ('a' if false else ('b' if false else 'c')) }} {{ 'a' if false else 'b' if true else 'c' }} {{ ('x' if false) }}.",
    "{% set x = 'a' if missing is defined else 'b' %}{{ x }} {% set y = ('p' if x == 'b' else 'q') + 'r' %}{{ y }}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ m.role[0] %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{% if loop.index > 3 %}{% break %}{% endif %}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content|trim }}{% if not loop.last %};{% endif %}{% else %}none{% endfor %}",
    "{% for m in messages %}{{ loop.previtem.role if loop.previtem is defined else '-' }}>{{ loop.nextitem.role if loop.nextitem is defined else '-' }} {% endfor %}",
    "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% macro wrap(role, text='none') %}<{{ role }}>{{ text }}{% endmacro %}{{ wrap('u', 'hi') }}{{ wrap('v') }}",
    "{% set block %}\n  text {{ 1 + 1 }}\n{% endset %}[{{ block }}]",
    "{{ 'yes' in messages[2].content }} {{ 'no' not in messages[2].content }} {{ 'user' in ['user'] }} {{ 'role' in messages[0] }}",
    "{{ messages[0].content is string }} {{ messages is iterable }} {{ messages[0] is mapping }} {{ nothing is defined }} {{ none is none }}",
    "{{ messages[0].tool_calls is defined }} {{ messages[0].get('x') is none }} {{ messages[0].get('x', 'd') }} {{ messages[0]['content'] }}",
    "{{ nothing | default('d') }} {{ '' | default('d', true) }} {{ nothing or 'z' }} {{ not nothing }}",
    "{{ 3 % 2 }} {{ 7 // 2 }} {{ (5 - 3) * 2 }} {{ 1 == 1 and 2 > 1 }} {{ 4 is even }} {{ 'a' != 'b' }}",
    "{{ 'Ab'.lower() }}{{ 'Ab'|upper }} {{ ' x '|trim }}{{ ' x '.strip() }} {{ 'xax'.strip('x') }} {{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'a-b'.replace('-', '+') }}",
    "[{{ '\\n\\t a b \\r\\n'.strip() }}|{{ '\\n\\t a'.lstrip() }}|{{ 'a \\t\\n'.rstrip() }}|{{ ' xyx '.rstrip('x ') }}|{{ ' x '.strip('') }}]",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ (messages | rejectattr('role', 'equalto', 'user') | first).role }} {{ (messages | last).content }}",
    "{{ [3, 1, 2] | sort }} {{ [1, 2] + [3] }} {{ range(3) | list }} {{ 'x' * 3 }} {{ ['a', 'b'] | join('-') }}",
    "a\n  {% if true %}\n  b\n  {% endif %}\nc\n{%- if true -%}  \n d {%- endif %}\n e",
    "  {{- 'tight' -}}  \n x {#- gone -#} y {# kept #} z\n",
    "x {% if true %} y {% endif %} z\n\t{% if true +%}\nkept\n  {%+ endif %}\n{# c #}\n  {{ 1 }}\n",
    "{% generation %}a{% endgeneration %} {%- generation -%} b {%- endgeneration -%} c",
    "{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M') }}",
    "{{ bos_token ~ 1 ~ true }} {{ '\\t|\\\\|\\'|\"' }} {{ \"it's\" }}",
    "{{ messages[0]['role'] + '\\n' + messages[1]['content'] | trim + '<end>' }}",
    "{%- set system = messages[0].content if messages[0].role == 'system' else '' -%}{{ system }}{%- set loop_messages = messages[1:] if system else messages %}{{ loop_messages|length }}",
    "{{ messages[0].content|length > 0 and messages|length >= 2 }} {{ (messages|length - 1) - 0 }} {{ -1 + 2 }}",
    "{% if messages[0].role == 'user' %}u{% elif messages[0].role in ['system', 'developer'] %}s{% else %}o{% endif %}",
    "{{ raise_exception('stop: ' + messages[0].role) }}",
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}{% endfor %}",
]


class Raised(Exception):
    pass


def raise_exception(message):
    raise Raised(message)


def main():
    comments = {}
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    for tag in ("{% generation %}", "{% endgeneration %}", "{%- generation -%}", "{%- endgeneration -%}"):
        comments[tag] = tag.replace("%", "#")  # Hugging Face marks answers with it; it prints nothing
    env.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = datetime.datetime(2026, 3, 9, 14, 5, 6).strftime
    out = []
    for source in SNIPPETS:
        case = {"source": source}
        try:
            spelled = source
            for tag, comment in comments.items():
                spelled = spelled.replace(tag, comment)
            case["text"] = env.from_string(spelled).render(messages=MESSAGES, bos_token="<s>")
        except Raised as e:
            case["error"] = str(e)
        out.append(case)
    path = pathlib.Path(__file__).parent / "features.json"
    path.write_text(json.dumps({"messages": MESSAGES, "cases": out}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
